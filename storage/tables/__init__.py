"""Every table, as SQLModel classes, and the plain `Table` of each for set-based statements.

One module for each noun; everything is imported from here. Rules that the database can keep are in the tables: one
open drift case per device, one open alert per (kind, key), one outbox row per message key, one body per configuration
version.
"""

from storage.tables.alert_rules import AlertRule as AlertRule
from storage.tables.alert_rules import RuleBreach as RuleBreach
from storage.tables.alert_rules import alert_rules as alert_rules
from storage.tables.alert_rules import rule_breaches as rule_breaches
from storage.tables.alerts import Alert as Alert
from storage.tables.alerts import AlertDevice as AlertDevice
from storage.tables.alerts import alert_devices as alert_devices
from storage.tables.alerts import alerts as alerts
from storage.tables.approvals import Approval as Approval
from storage.tables.approvals import ApprovalDecision as ApprovalDecision
from storage.tables.approvals import approval_decisions as approval_decisions
from storage.tables.approvals import approvals as approvals
from storage.tables.audit import AuditEntry as AuditEntry
from storage.tables.audit import AuditHead as AuditHead
from storage.tables.audit import AuditSubject as AuditSubject
from storage.tables.audit import audit as audit
from storage.tables.audit import audit_head as audit_head
from storage.tables.audit import audit_subjects as audit_subjects
from storage.tables.base import metadata as metadata
from storage.tables.certificates import Certificate as Certificate
from storage.tables.certificates import CertificateRequest as CertificateRequest
from storage.tables.certificates import Provisioning as Provisioning
from storage.tables.certificates import RevocationList as RevocationList
from storage.tables.certificates import certificate_requests as certificate_requests
from storage.tables.certificates import certificates as certificates
from storage.tables.certificates import provisionings as provisionings
from storage.tables.certificates import revocation_lists as revocation_lists
from storage.tables.devices import DRIFTED as DRIFTED
from storage.tables.devices import MISPLACED as MISPLACED
from storage.tables.devices import SILENT as SILENT
from storage.tables.devices import ConfigVersion as ConfigVersion
from storage.tables.devices import Device as Device
from storage.tables.devices import DeviceGroup as DeviceGroup
from storage.tables.devices import DeviceTag as DeviceTag
from storage.tables.devices import config_versions as config_versions
from storage.tables.devices import device_groups as device_groups
from storage.tables.devices import device_tags as device_tags
from storage.tables.devices import devices as devices
from storage.tables.drift import DriftCase as DriftCase
from storage.tables.drift import drift_cases as drift_cases
from storage.tables.firmware import Firmware as Firmware
from storage.tables.firmware import FirmwareState as FirmwareState
from storage.tables.firmware import firmware as firmware
from storage.tables.firmware import firmware_states as firmware_states
from storage.tables.groups import Dashboard as Dashboard
from storage.tables.groups import Retag as Retag
from storage.tables.groups import RetagDevice as RetagDevice
from storage.tables.groups import SavedGroup as SavedGroup
from storage.tables.groups import dashboards as dashboards
from storage.tables.groups import retag_devices as retag_devices
from storage.tables.groups import retags as retags
from storage.tables.groups import saved_groups as saved_groups
from storage.tables.operations import Operation as Operation
from storage.tables.operations import operations as operations
from storage.tables.slack import OutboxMessage as OutboxMessage
from storage.tables.slack import SeenEvent as SeenEvent
from storage.tables.slack import outbox as outbox
from storage.tables.slack import seen_events as seen_events
from storage.tables.upkeep import DeadLetter as DeadLetter
from storage.tables.upkeep import Schedule as Schedule
from storage.tables.upkeep import dead_letters as dead_letters
from storage.tables.upkeep import schedule as schedule
