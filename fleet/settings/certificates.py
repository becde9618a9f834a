"""`certificates` and `provisioning`: Muster's own CA, and devices that come with a certificate of their maker."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, model_validator

from fleet.settings.values import Duration, Section


class CertificateSettings(Section):
    alert_days: tuple[Annotated[int, Field(ge=1, le=3650)], ...] = Field(
        default=(30, 14, 7, 1), description="days before its end at which a certificate's alert opens or gets louder"
    )
    ca_file: Path | None = Field(default=None, description="certificate of Muster's own CA (PEM); empty: no CA here")
    key_file: Path | None = Field(default=None, description="its encrypted key; without it nothing is issued here")
    ca_passphrase: SecretStr | None = Field(default=None, description="decrypts the key; from the environment")
    validity: Duration = Field(
        default=timedelta(days=365), gt=timedelta(0), description="how long a new certificate is valid"
    )
    renew_within: Duration = Field(default=timedelta(days=7), description="how long a device is asked to renew")
    revoke_after: Duration = Field(
        default=timedelta(hours=24), description="the old certificate is revoked so long after the new one is in use"
    )
    unasked_every: Duration = Field(
        default=timedelta(hours=1), description="a device that nobody asked gets a new certificate at most so often"
    )
    crl_file: Path | None = Field(default=None, description="where the revocation list is written for the broker")
    crl_hook: str = Field(default="", description="command that makes the broker read that file")
    crl_valid_for: Duration = Field(
        default=timedelta(days=30), description="a broker refuses every device when its list is older than this"
    )
    crl_renew_before: Duration = Field(
        default=timedelta(days=23), description="a new list is made so long before the old one ends"
    )
    crl_alert_before: Duration = Field(
        default=timedelta(days=14), description="a list that ends within this is an alert: it should have been renewed"
    )

    @model_validator(mode="after")
    def _a_list_is_renewed_in_time(self) -> CertificateSettings:
        if not self.crl_alert_before < self.crl_renew_before < self.crl_valid_for:
            raise ValueError("crl_alert_before must be shorter than crl_renew_before, and that than crl_valid_for")
        return self

    @model_validator(mode="after")
    def _a_key_has_its_certificate(self) -> CertificateSettings:
        if self.key_file and not (self.ca_file and self.ca_passphrase):
            raise ValueError("key_file needs ca_file and MUSTER_CA_PASSPHRASE, which decrypts it")
        return self


class ProvisioningSettings(Section):
    manufacturing_ca_file: Path | None = Field(
        default=None, description="CA of the manufacturing certificates (PEM); empty: no zero-touch claims"
    )
    accept_unknown: bool = Field(default=False, description="a claim may register a device that no one has registered")
    claim_window: Duration = Field(
        default=timedelta(minutes=10), description="how far a claim's issued_at may be from now, either way"
    )
    config_version: str = Field(
        default="", max_length=128, description="initial configuration of a device that has no target when provisioned"
    )
