"""`audit`: what the chain is sealed with, and where its head is published."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from fleet.settings.values import Section


class AuditSettings(Section):
    key: SecretStr | None = Field(
        default=None, description="key of the audit's chain; without it entries are kept and not sealed"
    )
    head_file: Path | None = Field(
        default=Path("muster-audit-heads.jsonl"),
        description="file that the chain's head is appended to once a day; none with null",
    )

    @field_validator("key")
    @classmethod
    def _long_enough(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value()) < 32:
            raise ValueError("the key must have at least 32 characters, for example from: openssl rand -hex 32")
        return key
