"""The devices of `diag` in a process of their own: `echo` answers anything, `simulator` is the fleet of the sandbox."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiomqtt

from bench import child
from bench.load import device_id
from bench.surroundings import NO_DELAY
from sandbox.devices import SimulatedDevice, SimulatedFleet

_CHUNKS, _LINES = 3, 200


def chunks(request_id: str) -> list[str]:
    """The log that answers a request: three chunks, no two logs alike."""
    return [
        "".join(f"INFO {request_id} chunk {chunk} line {number}\n" for number in range(_LINES))
        for chunk in range(1, _CHUNKS + 1)
    ]


async def echo(orders: dict[str, Any]) -> None:
    at = {"hostname": orders["host"], "port": orders["port"], "identifier": "bench-answerer"}
    async with aiomqtt.Client(**at, max_inflight_messages=100, socket_options=NO_DELAY) as client:
        client.pending_calls_threshold = 10_000
        await client.subscribe("+/diagnostics/+", qos=1)
        child.say({"ready": True})
        answering: set[asyncio.Task[None]] = set()
        async for message in client.messages:
            task = asyncio.create_task(_answer(client, message.topic.value, json.loads(message.payload)))
            answering.add(task)
            task.add_done_callback(answering.discard)


async def _answer(client: aiomqtt.Client, topic: str, request: dict[str, Any]) -> None:
    is_log = topic.endswith("log-request")
    payloads: list[Any] = list(chunks(request["request_id"])) if is_log else [request.get("params", {})]
    for number, payload in enumerate(payloads, 1):
        answer = {"request_id": request["request_id"], "chunk": number, "total_chunks": len(payloads)}
        await client.publish(f"{topic}/response", json.dumps({**answer, "payload": payload}), qos=1)


async def simulator(orders: dict[str, Any]) -> None:
    devices = [SimulatedDevice(device_id(number)) for number in range(orders["count"])]
    fleet = SimulatedFleet(devices, orders["host"], orders["port"], status_every=30.0)
    running = asyncio.create_task(fleet.run())
    while not all(each.online for each in devices):  # noqa: ASYNC110  a simulated device has no event for it
        await asyncio.sleep(0.05)
    child.say({"ready": True})
    await running


def main(orders: dict[str, Any]) -> None:
    asyncio.run({"echo": echo, "simulator": simulator}[orders["side"]](orders))


if __name__ == "__main__":
    main(child.orders())
