"""What devices say, a batch at a time: read, merged to one row a device, written in a few statements, committed.

The broker is acked after this returns, so a batch comes again if anything fails: every statement here may run twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.drift import Resolution
from fleet.lifecycle import DeviceStatus
from fleet.location import run_of
from fleet.operation import OperationState
from fleet.roles import MUSTER
from fleet.settings import Settings
from fleet.version import version_key
from jobs import hearing, measurements
from jobs.drift import after_resolution
from jobs.spec import Heard, Intake
from link import wire
from link.client import Received
from link.departures import Departures
from link.topics import Topics
from link.wire import AckStatus, ConfigAck, Kind, Said, Status, Telemetry, Unreadable
from storage import dead_letters, drift, heard, lifecycle, operations
from storage.db import DEVICES, Database
from storage.dead_letters import Letter

log = structlog.get_logger(__name__)

RETAINED, UNKNOWN_DEVICE, UNEXPECTED = "retained copy", "unknown device", "unexpected message"

_OURS = (Kind.STATUS, Kind.TELEMETRY, Kind.CONFIG_ACK)

_key = lru_cache(maxsize=4096)(version_key)


@dataclass(slots=True)
class Batch:
    """One batch, merged: the last word of each device, its acks in order, and what could not be read."""

    now: datetime
    departures: Departures
    heard: dict[str, dict[str, Any]] = field(default_factory=dict)
    topics: dict[str, str] = field(default_factory=dict)
    applied: dict[str, dict[str, Any]] = field(default_factory=dict)
    acks: list[dict[str, Any]] = field(default_factory=list)
    rejections: list[dict[str, Any]] = field(default_factory=list)
    others: dict[Kind, list[Heard]] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)

    def take(self, device_id: str, received: Received, kind: Kind, said: Said) -> None:
        row = self.heard.get(device_id)
        if row is None:
            row = self.heard[device_id] = {"device_id": device_id}
        self.topics[device_id] = received.topic
        if said.device_ts is not None:
            row["skew"] = (self.now - said.device_ts).total_seconds()
        match said:
            case Status():
                self._status(device_id, row, said)
            case Telemetry():
                row["telemetry"] = said.text
                row["telemetry_count"] = row.get("telemetry_count", 0) + 1
            case ConfigAck():
                self._ack(device_id, said)
            case _:
                self.others.setdefault(kind, []).append(Heard(device_id, said, received.at))

    def _status(self, device_id: str, row: dict[str, Any], said: Status) -> None:
        row["reported"] = said.reported_config_version
        self.applied.pop(device_id, None)  # the later word holds
        if said.firmware_version is not None:
            row["firmware"], row["firmware_key"] = said.firmware_version, _key(said.firmware_version)
        if said.site:
            self._site(row, said.site)
        if said.boot_id is not None:
            row["boot_id"] = said.boot_id

    def _site(self, row: dict[str, Any], site: str) -> None:
        if (before := row.get("site")) is not None:  # several statuses of one device: each of them counts
            row["site_run"] = run_of(row.get("site_run", 1), before, site)
        row["site"] = site

    def _ack(self, device_id: str, said: ConfigAck) -> None:
        ack = {
            "device_id": device_id,
            "version": said.version,
            "operation_id": said.operation_id,
            "error": said.error,
        }
        if said.status is AckStatus.APPLIED:
            self.acks.append(ack)
            self.applied[device_id] = ack
        else:
            self.rejections.append(ack)


async def take_in(
    batch: Sequence[Received],
    now: datetime,
    db: Database,
    settings: Settings,
    topics: Topics,
    departures: Departures | None = None,
) -> None:
    """Write one batch in one transaction. Raises what the database raises; nothing is written then."""
    read = Batch(now, departures or Departures())
    _read(read, batch, settings.mqtt.max_payload_bytes, topics)
    async with db.begin(DEVICES) as session:
        if read.heard:
            await _write(session, read, settings)
        new = await dead_letters.add(session, read.letters)
    for letter in new:  # once for each device, reason and hour
        log.warning("dead letter", device=letter.device_id, topic=letter.topic, why=letter.reason, detail=letter.detail)


def _read(read: Batch, batch: Sequence[Received], max_bytes: int, topics: Topics) -> None:
    for received in batch:
        device_id = ""
        try:
            device_id, kind = topics.read(received.topic)
            if received.retain:
                raise Unreadable(RETAINED)  # the broker's memory, not the device's voice
            said = wire.read(device_id, kind, received.payload, max_bytes)
            if kind not in _OURS and kind not in hearing.BY_KIND:
                raise Unreadable(UNEXPECTED)
        except Unreadable as fault:
            secret = received.topic.endswith(Kind.LOG_RESPONSE)  # a log may hold secrets, which are not kept
            kept = b"" if secret else received.payload
            read.letters.append(Letter(device_id, received.topic, fault.reason, "", kept, read.now))
        else:
            read.take(device_id, received, kind, said)


async def _write(session: AsyncSession, read: Batch, settings: Settings) -> None:
    now = read.now
    unknown, beginners = await heard.write(session, list(read.heard.values()), now)
    for device_id in sorted(unknown - _strangers(read)):
        why = "Register it first, or import it: what it says is not kept until then."
        read.letters.append(Letter(device_id, read.topics[device_id], UNKNOWN_DEVICE, why, b"", now))
    for device_id in unknown:
        del read.heard[device_id]
    if beginners:
        await lifecycle.move(session, beginners, DeviceStatus.ACTIVE, MUSTER.id, "first telemetry", now, settings)
    if read.applied:
        await heard.applied(session, list(read.applied.values()))
    if read.acks:
        await operations.settle(session, read.acks, OperationState.DONE, now)
    if read.rejections:
        await operations.settle(session, read.rejections, OperationState.REJECTED, now)
        await drift.reject(session, read.rejections, now)
    telemetry = {device_id: row["telemetry"] for device_id, row in read.heard.items() if "telemetry" in row}
    await measurements.take_telemetry(session, telemetry, now, settings)
    await _hand_over(session, read, settings)
    if not (drifted := await drift.open_among(session, read.heard)):
        return
    await drift.heard(session, drifted, now, settings.drift)
    acked = {ack["device_id"] for ack in read.acks}
    why_resolved = {each: Resolution.ACKED if each in acked else Resolution.REPORTED for each in drifted}
    resolved = await drift.resolve(session, why_resolved, now)
    await after_resolution(session, resolved, now, settings.alerts)
    if in_vain := acked & drifted - {row.device_id for row in resolved}:
        await drift.acked_in_vain(session, in_vain, now + settings.drift.ack_timeout)


async def _hand_over(session: AsyncSession, read: Batch, settings: Settings) -> None:
    intake = Intake(session, read.now, settings, read.letters, read.departures)
    for kind, said in read.others.items():
        if taken := [each for each in said if each.device_id in read.heard or kind in hearing.OF_STRANGERS]:
            await hearing.BY_KIND[kind](intake, taken)


def _strangers(read: Batch) -> set[str]:
    """Devices that said something which may come from one that is not registered."""
    return {each.device_id for kind in hearing.OF_STRANGERS for each in read.others.get(kind, ())}
