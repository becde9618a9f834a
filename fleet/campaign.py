"""A campaign: one thing done to many devices, wave by wave, and stopped where it goes wrong.

                ask              approved             its time            all waves over
    planned ─────────> waiting ───────────> scheduled ─────────> running ────────────────> done, failed
       │ nobody asks      │ no, or nobody       │                 ^ │ ^ \\
       v in time          v answers             │            wave │ │ │  \\ a gate tripped, or a person
    expired      rejected, expired              │   soak over     │ v │   v
                                                │             soaking └─ paused   (resumed by a person only)
                                                └──────────────────┴────────┴── abort ──> stopping ──> aborted
                                                                                    once nothing is under way
    done, failed, aborted ── retry of failed devices ──> running
    soaking ── whatever the later waves had is excluded ──> done, failed

Devices that are offline are parked and count in no gate: a gate is failed / tried, and its text says of how many.
What follows when is the rule in fleet/campaign_step.py; jobs/campaigns.py does what it says.
One device in it is ruled by fleet/campaign_turn.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from fleet.lifecycle import DeviceStatus


class CampaignKind(StrEnum):
    """What is done. How each is done is in `jobs/campaign_kinds.py`; the approval is for `bulk.<kind>`."""

    CONFIG = "config"
    RESTART = "restart"
    FIRMWARE = "firmware"
    ROTATE_CERTS = "rotate-certs"
    DECOMMISSION = "decommission"

    @property
    def operation(self) -> str:
        """What an approval names it."""
        return f"bulk.{self.value}"


class CampaignStatus(StrEnum):
    PLANNED = "planned"
    WAITING = "waiting"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    SOAKING = "soaking"
    PAUSED = "paused"
    STOPPING = "stopping"
    DONE = "done"
    FAILED = "failed"
    ABORTED = "aborted"
    REJECTED = "rejected"
    EXPIRED = "expired"


class TargetState(StrEnum):
    """Where one device stands in a campaign."""

    PLANNED = "planned"
    DISPATCHED = "dispatched"
    ACKED = "acked"
    VERIFYING = "verifying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    TIMED_OUT = "timed_out"
    PARKED = "parked"
    SKIPPED = "skipped"
    REMOVED = "removed"
    CANCELLED = "cancelled"


UNDER_WAY = (TargetState.DISPATCHED, TargetState.ACKED, TargetState.VERIFYING)
UNSUCCESSFUL = (TargetState.FAILED, TargetState.REJECTED, TargetState.TIMED_OUT)
UNSETTLED = (TargetState.PLANNED, *UNDER_WAY, TargetState.PARKED)

_S = CampaignStatus
BEGUN = (_S.SCHEDULED, _S.RUNNING, _S.SOAKING, _S.PAUSED, _S.STOPPING)
"""Approved and not over: its unsettled devices are taken, another campaign leaves them out."""
OPEN = (_S.PLANNED, _S.WAITING, *BEGUN)
OVER = tuple(status for status in CampaignStatus if status not in OPEN)
RETRIABLE = (_S.RUNNING, _S.SOAKING, _S.PAUSED, _S.DONE, _S.FAILED, _S.ABORTED)

MOVES: Mapping[CampaignStatus, frozenset[CampaignStatus]] = MappingProxyType(
    {
        _S.PLANNED: frozenset({_S.WAITING, _S.SCHEDULED, _S.EXPIRED}),
        _S.WAITING: frozenset({_S.SCHEDULED, _S.REJECTED, _S.EXPIRED, _S.FAILED}),
        _S.SCHEDULED: frozenset({_S.RUNNING, _S.PAUSED, _S.STOPPING}),
        _S.RUNNING: frozenset({_S.RUNNING, _S.SOAKING, _S.PAUSED, _S.STOPPING, _S.DONE, _S.FAILED}),
        _S.SOAKING: frozenset({_S.RUNNING, _S.PAUSED, _S.STOPPING, _S.DONE, _S.FAILED}),
        _S.PAUSED: frozenset({_S.RUNNING, _S.SCHEDULED, _S.STOPPING}),
        _S.STOPPING: frozenset({_S.ABORTED}),
        _S.DONE: frozenset({_S.RUNNING}),
        _S.FAILED: frozenset({_S.RUNNING}),
        _S.ABORTED: frozenset({_S.RUNNING}),
        _S.REJECTED: frozenset(),
        _S.EXPIRED: frozenset(),
    }
)

_D = DeviceStatus
LEGAL: Mapping[CampaignKind, frozenset[DeviceStatus]] = MappingProxyType(
    {
        CampaignKind.CONFIG: frozenset({_D.PROVISIONED, _D.ACTIVE, _D.MAINTENANCE, _D.SUSPENDED}),
        CampaignKind.RESTART: frozenset({_D.ACTIVE, _D.MAINTENANCE}),
        CampaignKind.FIRMWARE: frozenset({_D.ACTIVE, _D.MAINTENANCE}),
        CampaignKind.ROTATE_CERTS: frozenset({_D.PROVISIONED, _D.ACTIVE, _D.MAINTENANCE, _D.SUSPENDED}),
        CampaignKind.DECOMMISSION: frozenset({_D.ACTIVE}),
    }
)
"""In which states a device takes part; in any other it is skipped, at planning and again when its turn comes."""
