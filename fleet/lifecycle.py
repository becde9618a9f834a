"""The states a device goes through, from manufacture to decommission."""

from __future__ import annotations

from enum import StrEnum


class DeviceStatus(StrEnum):
    MANUFACTURED = "manufactured"
    PROVISIONED = "provisioned"
    ACTIVE = "active"
    MAINTENANCE = "maintenance"
    SUSPENDED = "suspended"
    DECOMMISSIONED = "decommissioned"


ALERTS_PAUSED = frozenset({DeviceStatus.MAINTENANCE, DeviceStatus.SUSPENDED})
"""Alerts about a device in one of these states wait; the drift case itself goes on."""

AT_WORK = frozenset({DeviceStatus.ACTIVE, *ALERTS_PAUSED})
"""Devices that have begun to work and have not ended: the default alert rules hold for them."""
