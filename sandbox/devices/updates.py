"""Firmware: fetched, verified, installed, and running after a new boot; or failed, or rolled back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from link.topics import Kind, Order
from link.wire import FirmwareDesired, FirmwareState, FirmwareStep
from sandbox.devices.device import Behaviour, SimulatedDevice

if TYPE_CHECKING:
    from sandbox.devices.line import Line

MISMATCH = "the checksum differs from the order's"
NO_NETWORK = "no network on the new version"
NOT_FOR_ME = "the artefact is for other hardware"

_STEPS = (
    (FirmwareStep.DOWNLOADING, 0.0),
    (FirmwareStep.DOWNLOADING, 50.0),
    (FirmwareStep.DOWNLOADING, 100.0),
    (FirmwareStep.VERIFYING, None),
    (FirmwareStep.INSTALLING, None),
    (FirmwareStep.REBOOTING, None),
)


class Updates:
    def __init__(self, line: Line) -> None:
        self.orders = {Order.FIRMWARE_DESIRED: self.take}
        self._line = line
        self._under_way: dict[str, tuple[str, asyncio.Task[None]]] = {}  # by device: the version, and its update

    def take(self, device: SimulatedDevice, payload: bytes) -> None:
        """The order is retained: it comes again with each boot and each attempt."""
        order = FirmwareDesired.decode(payload)
        if device.behaviour is Behaviour.NEVER_ACKS or order.version == device.firmware:
            return
        if (answer := device.answers.get((order.operation_id, order.attempt))) is not None:
            self._line.soon(self._line.answer(device, Kind.FIRMWARE_STATE, answer))
            return
        version, task = self._under_way.get(device.device_id, ("", None))
        if task is not None and not task.done():
            if version == order.version:
                return
            task.cancel()
        self._under_way[device.device_id] = order.version, self._line.soon(self._update(device, order))

    async def _update(self, device: SimulatedDevice, order: FirmwareDesired) -> None:
        if device.behaviour is Behaviour.REJECTS:
            await self._end(device, order, FirmwareStep.FAILED, NOT_FOR_ME)
            return
        for step, progress in _STEPS:
            await self._say(device, order, step, progress)
            await asyncio.sleep(self._line.delay(device, self._line.pace.step_within))
            if step is FirmwareStep.VERIFYING and device.behaviour is Behaviour.FAILS:
                await self._end(device, order, FirmwareStep.FAILED, MISMATCH)
                return
        if device.behaviour is not Behaviour.ROLLS_BACK:
            device.firmware = order.version
        await self._line.reboot(device)
        if device.behaviour is Behaviour.ROLLS_BACK:
            await self._end(device, order, FirmwareStep.ROLLED_BACK, NO_NETWORK)

    async def _say(
        self,
        device: SimulatedDevice,
        order: FirmwareDesired,
        step: FirmwareStep,
        progress: float | None = None,
        error: str | None = None,
    ) -> FirmwareState:
        state = FirmwareState(
            version=order.version, state=step, progress=progress, error=error, device_ts=datetime.now(UTC)
        )
        await self._line.answer(device, Kind.FIRMWARE_STATE, state)
        return state

    async def _end(self, device: SimulatedDevice, order: FirmwareDesired, step: FirmwareStep, why: str) -> None:
        """Gives this attempt up; another one may be made."""
        device.answers[order.operation_id, order.attempt] = await self._say(device, order, step, error=why)
