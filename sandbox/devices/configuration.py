"""Configurations: applied, acknowledged, or refused, once for each (operation, attempt)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from link.topics import Kind, Order
from link.wire import AckStatus, ConfigAck, ConfigDesired, Payload
from sandbox.devices.device import Behaviour, SimulatedDevice

if TYPE_CHECKING:
    from sandbox.devices.line import Line

REJECTION = "unsupported key: radio.band"


class Configurations:
    def __init__(self, line: Line) -> None:
        self.orders = {Order.CONFIG_DESIRED: self.take}
        self._line = line
        self._waiting: dict[str, ConfigDesired] = {}  # by device: being applied, the newest order for that version
        self._applying: dict[str, asyncio.Task[None]] = {}

    def take(self, device: SimulatedDevice, payload: bytes) -> None:
        desired = ConfigDesired.decode(payload)
        device.pushes_seen += 1
        if device.behaviour is Behaviour.NEVER_ACKS:
            return
        if (answer := device.answers.get((desired.operation_id, desired.attempt))) is not None:
            self._line.soon(self._answer(device, answer))
            return
        under_way = self._waiting.get(device.device_id)
        self._waiting[device.device_id] = desired
        if under_way is not None and under_way.version == desired.version:
            return  # a retry does not make it slower; the answer will be to the newest attempt
        if under_way is not None:
            self._applying[device.device_id].cancel()
        self._applying[device.device_id] = self._line.soon(self._apply(device))

    async def _apply(self, device: SimulatedDevice) -> None:
        await asyncio.sleep(self._line.delay(device, self._line.pace.prompt_within))
        desired = self._waiting.pop(device.device_id)
        rejects = device.behaviour is Behaviour.REJECTS
        answer = ConfigAck(
            version=desired.version,
            status=AckStatus.REJECTED if rejects else AckStatus.APPLIED,
            error=REJECTION if rejects else None,
            operation_id=desired.operation_id,
            device_ts=datetime.now(UTC),
        )
        if not rejects and desired.version != device.reported_version:
            device.reported_version = desired.version
            device.applied.append(desired.version)
        device.answers[desired.operation_id, desired.attempt] = answer
        await self._answer(device, answer)

    async def _answer(self, device: SimulatedDevice, answer: Payload) -> None:
        await self._line.answer(device, Kind.CONFIG_ACK, answer)
        device.acks_sent += 1
