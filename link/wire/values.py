"""What payloads are made of: the base of them all, and the bounds of what may stand in them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetPydanticSchema,
)
from pydantic_core import CoreSchema, core_schema

ERROR_TEXT = 2_000  # characters of a device's own words that are kept


def _none_if_unreadable(source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
    return core_schema.with_default_schema(handler(source), default=None, on_error="default")


DeviceTime = Annotated[
    Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), le=datetime(2100, 1, 1, tzinfo=UTC))] | None,
    GetPydanticSchema(_none_if_unreadable),
]
Version = Annotated[str, Field(max_length=128)]
Id = Annotated[str, Field(min_length=1, max_length=128)]
Site = Annotated[str, Field(max_length=128)]
BootId = Annotated[str, Field(max_length=128, coerce_numbers_to_str=True)]
# A rejection must not be lost because the device complains at length.
DeviceWords = Annotated[str, AfterValidator(lambda text: text[:ERROR_TEXT])]
Pem = Annotated[str, Field(min_length=1, max_length=16_384)]
Share = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, lt=2**63)]


def canonical(value: object) -> str:
    """JSON text that is the same for equal values: sorted keys, no spaces, characters as they are."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class Payload(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    def encode(self) -> bytes:
        """Compact UTF-8 JSON; fields that are None are left out."""
        return self.model_dump_json(exclude_none=True).encode()

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """As a device reads it; raises pydantic's ValidationError."""
        return cls.model_validate_json(payload)
