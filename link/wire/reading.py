"""From the bytes of a device to the model of its kind, or to the reason why they cannot be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pydantic import (
    ValidationError,
)
from pydantic_core import from_json

from link.topics import Kind, Unreadable
from link.wire.said import MODELS, ProvisioningClaim, Said, Telemetry
from link.wire.values import canonical

MAX_PAYLOAD = 131_072  # bytes; the default of the setting mqtt.max_payload_bytes


def _telemetry(payload: bytes) -> Telemetry:
    head = Said.model_validate_json(payload)
    # NaN and Infinity are not JSON, but pydantic takes them; whoever reads the stored text may not.
    if b"NaN" in payload or b"Infinity" in payload:
        try:
            from_json(payload, allow_inf_nan=False)
        except ValueError:
            raise Unreadable("not json") from None
    return Telemetry.model_construct(device_id=head.device_id, device_ts=head.device_ts, text=payload.decode())


def _claim(payload: bytes) -> ProvisioningClaim:
    claim = ProvisioningClaim.model_validate_json(payload)
    said = {name: value for name, value in json.loads(payload).items() if name != "signature"}
    return claim.model_copy(update={"signed": canonical(said)})


# The validators themselves: `model_validate_json` around them would cost as much again as a status takes.
_PARSE: dict[Kind, Callable[[bytes], Any]] = {
    **{kind: model.__pydantic_validator__.validate_json for kind, model in MODELS.items()},
    Kind.TELEMETRY: _telemetry,
    Kind.PROVISIONING_CLAIM: _claim,
}


def read(device_id: str, kind: Kind, payload: bytes, max_bytes: int = MAX_PAYLOAD) -> Said:
    """What the device said, as the model of its kind (`MODELS[kind]`).

    Raises Unreadable, and nothing else, whatever the bytes are.
    """
    if len(payload) > max_bytes:
        raise Unreadable("too large")
    # PostgreSQL's text cannot hold U+0000, which JSON can only write as this escape. An escaped backslash before the
    # same letters looks alike, so the sure but slow look is taken only at what is suspicious.
    if b"\\u0000" in payload and _has_nul(payload):
        raise Unreadable("nul character")
    try:
        said: Said = _PARSE[kind](payload)
    except ValidationError as error:
        raise Unreadable(_reason(error, payload)) from None
    if said.device_id is not None and said.device_id != device_id:
        raise Unreadable("names another device")
    return said


def _has_nul(payload: bytes) -> bool:
    try:
        parsed = from_json(payload)
    except ValueError:
        return False  # not JSON at all: said so by the caller
    pending: list[Any] = [parsed]
    while pending:
        value = pending.pop()
        if isinstance(value, str) and "\x00" in value:
            return True
        if isinstance(value, dict):
            pending += value.keys()
            pending += value.values()
        elif isinstance(value, list):
            pending += value
    return False


def _reason(error: ValidationError, payload: bytes) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        try:
            payload.decode()
        except UnicodeDecodeError:
            return "not utf-8"
        return "not json"
    if not first["loc"]:
        return "not an object"
    return "bad field: " + ".".join(str(part) for part in first["loc"])
