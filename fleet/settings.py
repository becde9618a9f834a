"""Every setting, its default and its meaning. Loaded once from app.yaml by the entry point and passed on.

Durations are timedeltas: app.yaml writes them as `5m`, `24h`, `30s`, `7d`, `250ms` or ISO 8601 (`PT5M`).
"""

from __future__ import annotations

import base64
import re
from datetime import time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from fleet import redaction
from fleet.alert import Severity
from fleet.roles import Role

_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SHORT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*")


def duration(value: object) -> object:
    """`5m` -> timedelta(minutes=5); anything else is left to pydantic (timedelta, seconds, ISO 8601)."""
    if isinstance(value, str) and (found := _SHORT.fullmatch(value)):
        return timedelta(**{_UNITS[found[2]]: float(found[1])})
    return value


Duration = Annotated[timedelta, BeforeValidator(duration)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def webhook_secret(value: object) -> object:
    """A secret as Standard Webhooks write it: `whsec_` and 24 bytes or more in base64."""
    if isinstance(value, str):
        try:
            key = base64.b64decode(value.removeprefix("whsec_"), validate=True)
        except ValueError:
            key = b""
        if not value.startswith("whsec_") or len(key) < 24:
            raise ValueError("must be whsec_ and at least 24 bytes in base64: echo whsec_$(openssl rand -base64 32)")
    return value


WebhookSecret = Annotated[SecretStr, BeforeValidator(webhook_secret)]


class SlackMode(StrEnum):
    SOCKET = "socket"
    HTTP = "http"


class SlackSettings(Section):
    bot_token: SecretStr = Field(description="xoxb-… token of the installed app")
    mode: SlackMode = Field(
        default=SlackMode.SOCKET,
        description="`socket`: Muster opens connections to Slack; `http`: Slack posts to /slack/events of `web`",
    )
    app_token: SecretStr | None = Field(default=None, description="xapp-… token with connections:write, for `socket`")
    signing_secret: SecretStr | None = Field(default=None, description="what Slack signs its requests with, for `http`")
    base_url: str = Field(default="https://slack.com/api/", description="the Web API; another address only for tests")
    command: str = Field(default="/fleet", pattern=r"^/[a-z0-9_-]{1,31}$", description="the root slash command")
    sockets: int = Field(default=2, ge=1, le=10, description="Socket Mode connections; Slack allows 10 for the app")
    ops_channel: str = Field(description="id of the channel that gets alerts and escalations")
    channel_per_second: float = Field(default=1.0, gt=0, description="messages a second into one channel")
    updates_per_minute: float = Field(default=50.0, gt=0, description="edits a minute in the whole workspace")
    say_late_after: Duration = Field(default=timedelta(minutes=2), description="say so when a post is later than this")
    give_up_after: Duration = Field(default=timedelta(hours=24), description="how long an undelivered post is retried")
    file_max_bytes: int = Field(default=50_000_000, ge=1000, description="largest file that a command may send")

    @model_validator(mode="after")
    def _mode_has_its_secret(self) -> SlackSettings:
        needed, value = {
            SlackMode.SOCKET: ("app_token", self.app_token),
            SlackMode.HTTP: ("signing_secret", self.signing_secret),
        }[self.mode]
        if value is None:
            name = f"MUSTER_SLACK_{needed.upper()}"
            raise ValueError(f"{needed} must be set with mode {self.mode}; app.yaml takes it from {name}")
        return self


class RoleMembers(Section):
    users: tuple[str, ...] = Field(default=(), description="Slack user ids (U… or W…)")
    groups: tuple[str, ...] = Field(default=(), description="Slack user group ids (S…), where the plan has them")


class RolesSettings(Section):
    everyone: Role = Field(default=Role.VIEWER, description="the role of whoever is not named below; `none` denies")
    viewer: RoleMembers = RoleMembers()
    operator: RoleMembers = RoleMembers()
    approver: RoleMembers = RoleMembers()
    admin: RoleMembers = RoleMembers()
    group_cache: Duration = Field(default=timedelta(minutes=1), description="how long a group's members are believed")


class TlsSettings(Section):
    enabled: bool = Field(default=False, description="encrypt the connection")
    ca_file: Path | None = Field(default=None, description="CA bundle of the broker; the system's when empty")
    cert_file: Path | None = Field(default=None, description="Muster's own client certificate")
    key_file: Path | None = Field(default=None, description="its key")
    verify_hostname: bool = Field(default=True, description="refuse a certificate that names another host")


class MqttProtocol(StrEnum):
    AUTO = "auto"
    V311 = "3.1.1"
    V5 = "5"


class MqttSettings(Section):
    host: str = Field(default="127.0.0.1", description="the broker that the devices talk to")
    port: int = Field(default=1883, ge=1, le=65535, description="usually 1883, or 8883 with TLS")
    username: str | None = Field(default=None, description="how Muster signs in, where the broker asks for it")
    password: SecretStr | None = Field(default=None, description="the password of that user")
    tls: TlsSettings = TlsSettings()
    protocol: MqttProtocol = Field(default=MqttProtocol.AUTO, description="auto tries 5, then 3.1.1")
    client_id: str = Field(default="muster-1", min_length=1, description="fixed, and different for each replica")
    topic_prefix: str = Field(
        default="",
        pattern=r"^(|[^+#/$\x00][^+#\x00]*/)$",
        description="empty, or ends in / : put before every topic",
    )
    shared_group: str | None = Field(default=None, description="MQTT 5 shared subscription group for several replicas")
    keepalive: Duration = Field(default=timedelta(seconds=60), description="longest silence before a sign of life")
    session_expiry: Duration = Field(default=timedelta(hours=24), description="how long the broker keeps our session")
    reconnect_first: Duration = Field(default=timedelta(seconds=1), description="first wait, doubled with full jitter")
    reconnect_most: Duration = Field(default=timedelta(seconds=60), description="longest wait between two attempts")
    publish_concurrency: int = Field(default=100, ge=1, le=1000, description="publishes in flight")
    publish_timeout: Duration = Field(default=timedelta(seconds=20), description="how long a PUBACK is waited for")
    max_payload_bytes: int = Field(default=131072, ge=1024, description="larger payloads become dead letters")


class Synchronous(StrEnum):
    FULL = "full"
    NORMAL = "normal"


class DatabaseSettings(Section):
    url: SecretStr = Field(
        default=SecretStr("sqlite+aiosqlite:///muster.db"),
        description="sqlite+aiosqlite:///file or postgresql+asyncpg://user@host/name",
    )
    synchronous: Synchronous = Field(
        default=Synchronous.FULL,
        description="SQLite: `full` survives a power cut, `normal` only a crash of the process",
    )
    pool_size: int = Field(default=10, ge=2, description="PostgreSQL connections, or SQLite readers")
    lock_timeout: Duration = Field(default=timedelta(seconds=10), description="how long a lock is waited for")
    claim_for: Duration = Field(default=timedelta(minutes=1), description="after this a claim is taken over")
    dead_letters_kept: int = Field(default=10_000, ge=100, description="newest dead letters kept for inspection")


class ConfigSettings(Section):
    assign_limit: int = Field(default=10, ge=1, description="most devices that one `config assign` may change")
    max_bytes: int = Field(default=65536, ge=64, description="largest configuration, as canonical JSON")


class DriftSettings(Section):
    sweep_every: Duration = Field(default=timedelta(hours=1), description="how often drifted devices are looked for")
    sweep_limit: int = Field(default=2000, ge=1, le=50_000, description="devices taken up in one transaction")
    online_within: Duration = Field(default=timedelta(minutes=5), description="heard within this: online")
    ack_timeout: Duration = Field(default=timedelta(minutes=5), description="how long an ack of a push is waited for")
    retries: int = Field(default=3, ge=0, le=20, description="pushes after the first one")
    escalate_after: Duration = Field(default=timedelta(hours=24), description="still drifted: people are called")
    fresh_round_every: Duration = Field(
        default=timedelta(hours=1), description="an unresponsive device that is heard again is pushed at most so often"
    )
    location_after: int = Field(default=3, ge=1, le=1000, description="statuses in a row from a wrong site: an alert")
    unknown_after: Duration = Field(
        default=timedelta(minutes=30), description="still reports a version that nobody knows: an alert"
    )
    flapping_cases: int = Field(default=3, ge=2, le=1000, description="drift cases of one device: it flaps")
    flapping_within: Duration = Field(
        default=timedelta(hours=24), description="if they were found in this time; it is over as long after the last"
    )


class Rung(Section):
    """One rung of the escalation ladder: whom an unacknowledged alert calls, and how long after it opened."""

    after: Duration
    mention: str = Field(description="what is written to call them: <@U…>, <!subteam^S…> or <!here>")


def _wall_time(value: object) -> object:
    if isinstance(value, int):  # YAML takes 22:00 for a number of base 60
        raise ValueError('write the time in quotes: "22:00"')
    return value


class QuietHours(Section):
    """A time of day, on the clocks of `zone`, in which alerts up to that severity wait for its end."""

    begin: Annotated[time, BeforeValidator(_wall_time)]
    end: Annotated[time, BeforeValidator(_wall_time)]
    zone: str = Field(default="UTC", description="a zone of the time zone database: Europe/Oslo")
    up_to: Severity = Field(default=Severity.WARNING, description="info, warning or critical")

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError(f"there is no time zone {zone}; write it as Europe/Oslo or UTC")
        return zone


class AlertSettings(Section):
    ladder: tuple[Rung, ...] = Field(
        default=(), description="rungs above the channel itself; copied into an alert when it opens"
    )
    group_above: int = Field(
        default=5, ge=1, description="more devices of one cause at one site than these are one message"
    )
    group_within: Duration = Field(default=timedelta(minutes=10), description="if their alerts open in this time")
    edit_every: Duration = Field(
        default=timedelta(seconds=15), description="a grouped message's numbers are edited at most so often"
    )
    longest_snooze: Duration = Field(default=timedelta(days=7), description="the longest time an alert may be snoozed")
    quiet_hours: tuple[QuietHours, ...] = Field(
        default=(), description="times of day in which alerts of lower severity wait, and call nobody, until their end"
    )


class SiteSettings(Section):
    """What differs from `lifecycle` at one site; empty: nothing does."""

    name: str = Field(min_length=1, max_length=128)
    zone: str | None = Field(default=None, description="IANA name of its time zone")
    retain_years: int | None = Field(default=None, ge=0, le=100)


class LifecycleSettings(Section):
    zone: str = Field(default="UTC", description="the time zone of sites that have none of their own")
    retain_years: int = Field(default=7, ge=0, le=100, description="years in the archive after a decommission")
    window: Duration = Field(default=timedelta(hours=2), description="a maintenance window that is given no length")
    longest_window: Duration = Field(default=timedelta(days=30), description="longest maintenance window")
    telemetry_store_secret: WebhookSecret | None = Field(
        default=None, description="with it a decommission waits for the telemetry store's signed `export.confirmed`"
    )
    sites: tuple[SiteSettings, ...] = Field(default=(), description="what differs at single sites")

    def zone_of(self, site: str) -> str:
        """The name of a site's time zone."""
        return next((each.zone for each in self.sites if each.name == site and each.zone), self.zone)

    def retain_years_of(self, site: str) -> int:
        """How many years the data of a device of that site are kept after it was decommissioned."""
        own = next((each.retain_years for each in self.sites if each.name == site), None)
        return self.retain_years if own is None else own


class EndpointSettings(Section):
    """Another system that is told of events, signed as Standard Webhooks say."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    url: str = Field(pattern=r"^https?://")
    secret: WebhookSecret
    types: tuple[str, ...] = Field(default=("*",), description="which events, such as `billing.*`")


class EventSettings(Section):
    source: str = Field(default="muster", min_length=1, description="`source` of every event; names this installation")
    endpoints: tuple[EndpointSettings, ...] = Field(default=(), description="who is told of which events")
    timeout: Duration = Field(default=timedelta(seconds=15), description="how long an endpoint may take to answer")
    at_once: int = Field(default=20, ge=1, le=200, description="events on their way to one endpoint at a time")
    longest_wait: Duration = Field(default=timedelta(hours=1), description="longest time between two attempts")
    give_up_after: Duration = Field(default=timedelta(days=3), description="an event refused for longer is dead")
    keep_for: Duration = Field(default=timedelta(days=30), description="how long events that were taken are kept")

    @model_validator(mode="after")
    def _names_are_different(self) -> EventSettings:
        names = [each.name for each in self.endpoints]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two endpoints are called {twice[0]}: give each a name of its own")
        return self


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


class ApprovalRule(Section):
    """One line of the policy: which plans it means, and what they need. The first that matches holds."""

    operation: str = Field(default="*", description="which operations, as a pattern: device.decommission, bulk.*")
    devices: int = Field(default=0, ge=0, description="for so many devices or more")
    site: str = Field(default="*", description="for devices at this site, as a pattern")
    approvals: int = Field(ge=0, le=20, description="how many people must approve; 0 needs nobody")
    role: Role = Field(default=Role.APPROVER, description="what role each of them needs: operator, approver or admin")
    valid_for: Duration | None = Field(default=None, description="how long they may; approvals.valid_for without it")
    type_count: bool = Field(default=False, description="each of them types the number of devices")

    @field_validator("role")
    @classmethod
    def _may_decide(cls, role: Role) -> Role:
        if not role.reaches(Role.OPERATOR):
            raise ValueError("only operator, approver and admin may decide")
        return role


class ApprovalSettings(Section):
    policies: tuple[ApprovalRule, ...] = Field(
        default=(
            ApprovalRule(operation="*.decommission", approvals=2, type_count=True),
            ApprovalRule(operation="bulk.*", devices=500, approvals=2),
            ApprovalRule(operation="bulk.*", approvals=1),
            ApprovalRule(operation="device.*", approvals=0),
        ),
        description="who must approve what; the first line that matches holds, and what none names needs one approval",
    )
    valid_for: Duration = Field(default=timedelta(hours=4), description="how long a request waits for its approvals")
    remind_before: Duration = Field(
        default=timedelta(minutes=30), description="so long before it expires, its approvers are reminded; 0s never"
    )


class DiagnosticsSettings(Section):
    chunk_timeout: Duration = Field(
        default=timedelta(seconds=30), description="how long an answer, and each further chunk of it, is waited for"
    )
    expires_after: Duration = Field(
        default=timedelta(minutes=5),
        description="a device answers a request not later than this, and an incomplete log may be completed until then",
    )
    return_within: Duration = Field(
        default=timedelta(hours=24), description="how long *Ask when it comes back* waits for the device"
    )
    log_lines: int = Field(default=200, ge=1, le=10_000, description="lines that are asked for without --lines")
    inline_lines: int = Field(default=25, ge=1, le=200, description="a longer log is sent as a file into the thread")
    pings_shown: int = Field(default=20, ge=2, le=1000, description="last pings of a device that p50 and p95 are of")
    kept: Duration = Field(default=timedelta(days=30), description="how long requests and their results are kept")
    fan_out_most: int = Field(default=10_000, ge=1, description="the most devices that one request may go to")
    fan_out_running: int = Field(default=3, ge=1, le=100, description="requests to many devices under way at a time")
    fan_out_per_second: int = Field(default=250, ge=1, le=10_000, description="devices asked a second by each of them")
    fan_out_edit_every: Duration = Field(
        default=timedelta(seconds=5), description="the progress of one is shown at most so often"
    )
    redact: tuple[str, ...] = Field(
        default_factory=lambda: redaction.DEFAULTS,
        description="regular expressions of secrets in logs; the group `secret` is masked, or else the whole match",
    )

    @field_validator("redact")
    @classmethod
    def _patterns_are_readable(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            redaction.compiled(pattern)
        return patterns


class Freeze(Section):
    """A time in which no campaign sends anything new."""

    since: AwareDatetime
    until: AwareDatetime
    why: str = ""


class SiteZone(Section):
    """The time zone of one site."""

    site: str
    timezone: str


class CampaignSettings(Section):
    canary: str = Field(default="5", description="devices that go first: a number, a percentage, or a selector")
    wave: str = Field(default="20%", description="devices of each wave after them, of all that are left")
    soak: Duration = Field(default=timedelta(minutes=10), description="how long a wave is watched before the next one")
    max_failed: float = Field(default=0.05, ge=0, le=1, description="part of the tried devices of a wave that may fail")
    canary_max_failed: float = Field(default=0.0, ge=0, le=1, description="the same for the canaries")
    min_sample: int = Field(default=20, ge=1, description="tried devices from which on a gate is looked at in a wave")
    concurrency: int = Field(default=500, ge=1, description="devices of a campaign that are under way at once")
    retries: int = Field(default=1, ge=0, le=20, description="how often a silent device that is online is retried")
    ack_within: Duration = Field(default=timedelta(minutes=5), description="how long an answer is waited for")
    verify_within: Duration = Field(
        default=timedelta(minutes=10), description="how long a device may take to prove what it answered"
    )
    tail: Duration = Field(default=timedelta(days=7), description="how long devices that are offline are waited for")
    look_every: Duration = Field(
        default=timedelta(seconds=15), description="how often a campaign looks whether they came back"
    )
    restart_stagger: Duration = Field(
        default=timedelta(seconds=30), description="between two restarts at one site, from when the first was sent"
    )
    restart_expires: Duration = Field(
        default=timedelta(minutes=2), description="a restart that reaches a device later than this is not obeyed"
    )
    restart_last: str = Field(default="", description="selector of devices that restart after all others: gateways")
    firmware_canary: str = Field(
        default="group:canary", description="selector of devices that get firmware first, if any of them is meant"
    )
    firmware_within: Duration = Field(
        default=timedelta(hours=1), description="how long a device may take to report its new firmware on a new boot"
    )
    rotation_over: Duration = Field(default=timedelta(days=30), description="how long a rotation of certificates takes")
    rotation_per_minute: int = Field(
        default=60, ge=1, description="devices that are asked for, and so reconnect with, a new certificate in a minute"
    )
    rotation_within: Duration = Field(
        default=timedelta(hours=1), description="how long a device may take until its new certificate is in use"
    )
    decommission_within: Duration = Field(
        default=timedelta(days=7), description="how long the export of a device that is to go may be waited for"
    )
    draft_expires: Duration = Field(default=timedelta(hours=1), description="a plan nobody asks approval for ends then")
    pause_expires: Duration = Field(default=timedelta(days=7), description="a pause nobody ends is an abort after this")
    edit_every: Duration = Field(
        default=timedelta(seconds=10), description="a campaign's message is edited at most so often"
    )
    timezone: str = Field(default="UTC", description="time zone of the sites not named below, for --window")
    site_timezones: tuple[SiteZone, ...] = Field(default=(), description="time zones of single sites: site, timezone")
    freezes: tuple[Freeze, ...] = Field(
        default=(), description="times in which no campaign sends anything new: since, until, why"
    )
    rehearse_limit: int = Field(default=20_000, ge=1, description="most devices that a rehearsal plays through")

    @model_validator(mode="after")
    def _zones_exist(self) -> CampaignSettings:
        for name in (self.timezone, *(each.timezone for each in self.site_timezones)):
            try:
                ZoneInfo(name)
            except (ValueError, OSError, KeyError):
                raise ValueError(f"there is no time zone called {name}") from None
        return self


class TagSettings(Section):
    alias_for: Duration = Field(
        default=timedelta(days=30),
        description="so long after `bulk retag` the old name still holds in selectors, and it can be undone",
    )


class WebSettings(Section):
    enabled: bool = Field(default=False, description="listen at all; needed by slack.mode http")
    listen: str = Field(default="127.0.0.1", description="address to listen on; 0.0.0.0 for every one of the machine")
    port: int = Field(default=8080, ge=0, le=65535, description="0 takes a free one")
    numbers_every: Duration = Field(
        default=timedelta(seconds=15), description="the fleet is counted for /metrics at most so often"
    )


class LogSettings(Section):
    format: Literal["console", "json"] = Field(default="console", description="lines for people, or JSON objects")
    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="what is worth a line")


class Settings(Section):
    slack: SlackSettings
    roles: RolesSettings = RolesSettings()
    mqtt: MqttSettings = MqttSettings()
    database: DatabaseSettings = DatabaseSettings()
    config: ConfigSettings = ConfigSettings()
    drift: DriftSettings = DriftSettings()
    alerts: AlertSettings = AlertSettings()
    audit: AuditSettings = AuditSettings()
    certificates: CertificateSettings = CertificateSettings()
    campaigns: CampaignSettings = CampaignSettings()
    provisioning: ProvisioningSettings = ProvisioningSettings()
    approvals: ApprovalSettings = ApprovalSettings()
    lifecycle: LifecycleSettings = LifecycleSettings()
    events: EventSettings = EventSettings()
    diagnostics: DiagnosticsSettings = DiagnosticsSettings()
    tags: TagSettings = TagSettings()
    web: WebSettings = WebSettings()
    log: LogSettings = LogSettings()

    @model_validator(mode="after")
    def _shared_needs_mqtt5(self) -> Settings:
        if self.mqtt.shared_group and self.mqtt.protocol is MqttProtocol.V311:
            raise ValueError("mqtt.shared_group needs MQTT 5: set mqtt.protocol to 5 or auto")
        return self

    @model_validator(mode="after")
    def _a_telemetry_store_needs_the_web(self) -> Settings:
        if self.lifecycle.telemetry_store_secret and not self.web.enabled:
            raise ValueError("lifecycle.telemetry_store_secret needs web.enabled: the store posts to /events there")
        return self

    @model_validator(mode="after")
    def _http_mode_needs_the_web(self) -> Settings:
        if self.slack.mode is SlackMode.HTTP and not self.web.enabled:
            raise ValueError("slack.mode http needs web.enabled: Slack posts to /slack/events there")
        return self
