"""Restarts: accepted, a new boot, done."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from link.topics import Kind, Order
from link.wire import CommandAck, CommandStatus, Restart
from sandbox.devices.device import Behaviour, SimulatedDevice

if TYPE_CHECKING:
    from sandbox.devices.line import Line

BUSY = "not while a transfer is under way"


class Restarts:
    def __init__(self, line: Line) -> None:
        self.orders = {Order.RESTART: self.take}
        self._line = line

    def take(self, device: SimulatedDevice, payload: bytes) -> None:
        order = Restart.decode(payload)
        if not device.obeys(order.expires_at):
            return
        if (answer := device.answers.get((order.operation_id, order.attempt))) is not None:
            self._line.soon(self._line.answer(device, Kind.COMMAND_ACK, answer))
        elif device.behaviour is Behaviour.REJECTS:
            self._line.soon(self._answer(device, order, CommandStatus.REJECTED, BUSY))
        else:
            self._line.soon(self._restart(device, order))

    async def _restart(self, device: SimulatedDevice, order: Restart) -> None:
        await self._answer(device, order, CommandStatus.ACCEPTED)
        await self._line.reboot(device)
        await self._answer(device, order, CommandStatus.DONE)

    async def _answer(
        self, device: SimulatedDevice, order: Restart, status: CommandStatus, error: str | None = None
    ) -> None:
        answer = CommandAck(operation_id=order.operation_id, status=status, error=error, device_ts=datetime.now(UTC))
        device.answers[order.operation_id, order.attempt] = answer
        await self._line.answer(device, Kind.COMMAND_ACK, answer)
