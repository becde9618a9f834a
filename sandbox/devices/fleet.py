"""Many devices over a few connections."""

from __future__ import annotations

import asyncio
import random as random_module
from collections.abc import Sequence

import aiomqtt
import structlog

from link.together import run_together
from link.topics import Topics
from sandbox.devices.device import Behaviour, Pace, SimulatedDevice
from sandbox.devices.line import Line

log = structlog.get_logger(__name__)


class SimulatedFleet:
    """Runs devices against a broker; a lost broker is waited for, and what is retained then comes again.

    `pace` are the fields of `Pace`: `SimulatedFleet(specs, host, port, status_every=2, slow_after=10)`.
    """

    def __init__(
        self,
        specs: Sequence[SimulatedDevice],
        host: str,
        port: int,
        *,
        prefix: str = "",
        connections: int = 4,
        reconnect_after: float = 1.0,
        seed: int = 1,
        **pace: float,
    ) -> None:
        self.devices = {spec.device_id: spec for spec in specs}
        self.pace = Pace(**pace)
        self._host, self._port = host, port
        self._topics = Topics(prefix)
        self._groups = [list(specs)[index::connections] for index in range(min(connections, len(specs)))]
        self._reconnect_after = reconnect_after
        self._random = random_module.Random(seed)
        self._began = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        self._began = asyncio.get_running_loop().time()
        await run_together(*(self._stay_connected(number, group) for number, group in enumerate(self._groups)))

    async def _stay_connected(self, number: int, group: Sequence[SimulatedDevice]) -> None:
        while True:
            try:
                await self._while_connected(f"sandbox-fleet-{number}", group)
            except aiomqtt.MqttError as lost:
                log.warning("simulated devices are without a broker", why=str(lost))
            for device in group:
                device.online = False
            await asyncio.sleep(self._reconnect_after)

    async def _while_connected(self, client_id: str, group: Sequence[SimulatedDevice]) -> None:
        async with aiomqtt.Client(self._host, self._port, identifier=client_id, clean_session=True) as client:
            client.pending_calls_threshold = 10 * len(group) + 100  # each device may wait for one of its own
            line = Line(self.pace, self._topics, self._random, client)
            here = [device for device in group if device.behaviour is not Behaviour.OFFLINE]
            try:
                await run_together(
                    line.listen(self.devices), *(line.live(device, self._away(device)) for device in here)
                )
            finally:
                line.end()

    def _away(self, device: SimulatedDevice) -> float:
        if device.behaviour is not Behaviour.RETURNS:
            return 0.0
        return max(0.0, self._began + self.pace.returns_after - asyncio.get_running_loop().time())
