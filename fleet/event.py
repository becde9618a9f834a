"""Events for other systems: which kinds there are, who wants them, and how often one is tried.

pending ── 2xx ──> delivered
 ^    └─── refused for longer than `events.give_up_after`, or gone for good ──> dead
 └────────────────────────────── replayed by hand ─────────────────────────────┘
"""

from __future__ import annotations

from enum import StrEnum
from fnmatch import fnmatchcase


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


class EventType(StrEnum):
    """What Muster tells. `docs/integrations.md` has the data of each."""

    STATUS_CHANGED = "device.status.changed"
    BILLING_STARTED = "billing.started"
    BILLING_STOPPED = "billing.stopped"
    BILLING_RESUMED = "billing.resumed"
    MAINTENANCE_PLANNED = "maintenance.planned"
    MAINTENANCE_STARTED = "maintenance.started"
    MAINTENANCE_CHANGED = "maintenance.changed"
    MAINTENANCE_ENDED = "maintenance.ended"
    MAINTENANCE_CANCELLED = "maintenance.cancelled"
    ALERTS_SUPPRESSED = "alerts.suppressed"
    ALERTS_RESUMED = "alerts.resumed"
    ALERT_OPENED = "alert.opened"
    ALERT_ACKNOWLEDGED = "alert.acknowledged"
    ALERT_RESOLVED = "alert.resolved"
    EXPORT_REQUESTED = "export.requested"
    RETENTION_CHANGED = "retention.changed"


EXPORT_CONFIRMED = "export.confirmed"
"""What a telemetry store tells Muster."""


def wanted(event_type: str, patterns: tuple[str, ...]) -> bool:
    """True if one of the patterns means this type: `billing.*`, `*`, or the whole type."""
    return any(fnmatchcase(event_type, pattern) for pattern in patterns)
