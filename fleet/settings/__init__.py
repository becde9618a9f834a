"""Every setting, its default and its meaning: one module for each section of app.yaml, or for two that belong together.

Loaded once by the entry point and passed on. Durations are timedeltas: app.yaml writes them as `5m`, `24h`, `30s`,
`7d`, `250ms` or ISO 8601 (`PT5M`).
"""

from __future__ import annotations

from pydantic import model_validator

from fleet.settings.alerts import AlertSettings, QuietHours, Rung
from fleet.settings.approvals import ApprovalRule, ApprovalSettings
from fleet.settings.audit import AuditSettings
from fleet.settings.campaigns import CampaignSettings, Freeze, SiteZone, TagSettings
from fleet.settings.certificates import CertificateSettings, ProvisioningSettings
from fleet.settings.database import DatabaseSettings, Synchronous
from fleet.settings.diagnostics import DiagnosticsSettings
from fleet.settings.drift import ConfigSettings, DriftSettings
from fleet.settings.events import EndpointSettings, EventSettings
from fleet.settings.lifecycle import LifecycleSettings, SiteSettings
from fleet.settings.mqtt import MqttProtocol, MqttSettings, TlsSettings
from fleet.settings.slack import RoleMembers, RolesSettings, SlackMode, SlackSettings
from fleet.settings.values import Section
from fleet.settings.web import LogSettings, WebSettings

__all__ = [
    "AlertSettings",
    "ApprovalRule",
    "ApprovalSettings",
    "AuditSettings",
    "CampaignSettings",
    "CertificateSettings",
    "ConfigSettings",
    "DatabaseSettings",
    "DiagnosticsSettings",
    "DriftSettings",
    "EndpointSettings",
    "EventSettings",
    "Freeze",
    "LifecycleSettings",
    "LogSettings",
    "MqttProtocol",
    "MqttSettings",
    "ProvisioningSettings",
    "QuietHours",
    "RoleMembers",
    "RolesSettings",
    "Rung",
    "Section",
    "Settings",
    "SiteSettings",
    "SiteZone",
    "SlackMode",
    "SlackSettings",
    "Synchronous",
    "TagSettings",
    "TlsSettings",
    "WebSettings",
]


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
