"""Diagnostics through the real app, the stand-in workspace and mosquitto, whose two clients are the device."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select

from sandbox.workspace import FLEET_OPS, OPERATOR, RANDOM, SeenMessage
from storage.tables import DiagnosticRequest
from tests.brokers import RunningBroker, mosquitto_broker
from tests.build import NEW
from tests.jobs.diagnosing import ANSWERS, METRICS
from tests.walks.conftest import House, a_device, a_house, eventually, message_key, say
from tests.walks.mosquitto_device import Device, Heard


@asynccontextmanager
async def online(house: House, device: Device) -> AsyncIterator[Heard]:
    """The device has said that it is there, and hears what it is asked."""
    await house.register("dev-1")
    await device.reports(NEW)
    await house.heard(last_seen_at=house.clock.now)
    async with device.listening("-t", "dev-1/diagnostics/+") as heard:
        yield heard


@pytest.fixture
async def house(registry_url: str, tmp_path: Path) -> AsyncIterator[tuple[House, Device]]:
    with mosquitto_broker(tmp_path) as mosquitto:
        async with a_house(registry_url, mosquitto.port) as running:
            yield running, Device(mosquitto.port)


async def asks(house: House, line: str, heard: Heard, number: int) -> dict[str, Any]:
    """Typed, posted and sent: the question as the device got it, its number counted from 1."""
    await house.ws.command(OPERATOR, FLEET_OPS, f"diag {line}", wait=0)

    async def asked() -> bool:
        return len(await requests(house)) == number

    await eventually(asked)
    await house.later(seconds=1)  # one message a moment into a channel
    return await heard.push(number)


async def requests(house: House) -> list[DiagnosticRequest]:
    async with house.db.read() as session:
        return list(await session.scalars(select(DiagnosticRequest).order_by("id")))


async def answers(
    device: Device, request: dict[str, Any], kind: str, payload: Any, chunk: int = 1, total: int = 1
) -> None:
    said = {"request_id": request["request_id"], "chunk": chunk, "total_chunks": total, "payload": payload}
    await device.says(f"dev-1/{ANSWERS[kind]}/response", said)


async def stored(house: House, request: dict[str, Any], chunks: int) -> None:
    async def here() -> bool:
        return any(each.id == request["request_id"] and each.chunks == chunks for each in await requests(house))

    await eventually(here)
    await house.later(seconds=1)


async def shown(house: House, request: dict[str, Any]) -> SeenMessage:
    [found] = [each for each in await house.posts() if message_key(each) == f"diag:{request['request_id']}"]
    return found


@pytest.mark.mosquitto
async def test_ping_metrics_and_logs_of_one_chunk_edit_their_questions(house: tuple[House, Device]) -> None:
    muster, device = house
    async with online(muster, device) as heard:
        ping = await asks(muster, "ping dev-1", heard, 1)
        asking = await shown(muster, ping)
        assert "Asking `dev-1` for a sign of life" in asking.words
        await answers(device, ping, "ping", ping["params"])
        await stored(muster, ping, 1)
        answered = await shown(muster, ping)
        assert (answered.ts, answered.edited) == (asking.ts, True)
        assert answered.words.startswith(":white_check_mark: `dev-1` answered in *")
        assert answered.buttons == ["Ping again", "Metrics", "Logs"]

        metrics = await asks(muster, "metrics dev-1", heard, 2)
        await answers(device, metrics, "metrics", METRICS)
        await stored(muster, metrics, 1)
        assert "Memory 1.0 GiB of 2.0 GiB" in (await shown(muster, metrics)).words

        log = await asks(muster, "logs dev-1 --lines 5 --level error", heard, 3)
        assert log["params"] == {"lines": 5, "level": "error"}
        await answers(device, log, "logs", "2026-03-19T10:23:11Z ERROR no route, password=hunter2\n")
        await stored(muster, log, 1)
        said = (await shown(muster, log)).words
        assert "ERROR no route, password=[redacted]" in said
        assert "hunter2" not in json.dumps([each.model_dump() for each in await muster.ws.messages(FLEET_OPS)])


@pytest.mark.mosquitto
async def test_a_log_of_three_chunks_is_a_file_in_the_thread_and_one_that_breaks_off_is_shown_with_its_gap(
    house: tuple[House, Device],
) -> None:
    muster, device = house
    parts = ["".join(f"INFO line {part}.{number} æøå\n" for number in range(40)) for part in (1, 2, 3)]
    async with online(muster, device) as heard:
        whole = await asks(muster, "logs dev-1", heard, 1)
        for number in (2, 3, 1):
            await answers(device, whole, "logs", parts[number - 1], number, 3)
        await stored(muster, whole, 3)
        question = await shown(muster, whole)
        [file] = [each for each in await muster.ws.messages(FLEET_OPS) if each.files]
        assert file.thread_ts == question.ts
        assert await content(file) == "".join(parts)

        broken = await asks(muster, "logs dev-1", heard, 2)
        for number in (1, 2):
            await answers(device, broken, "logs", parts[number - 1], number, 3)
        await stored(muster, broken, 2)
        await muster.later(seconds=30)
        told = await shown(muster, broken)
        assert "sent 2 of 3 chunks: chunk 3 did not come" in told.words
        assert "■■□" in told.words
        assert told.buttons == ["Ask again for the rest", "Show device"]
        partial = [each for each in await muster.ws.messages(FLEET_OPS) if each.files][-1]
        assert (await content(partial)).endswith("[… chunk 3 of 3 did not come …]\n")


async def content(message: SeenMessage) -> str:
    async with aiohttp.ClientSession() as session:
        async with session.get(message.files[0]["url_private"]) as answer:
            return await answer.text()


async def test_a_channel_without_muster_is_answered_in_the_asker_s_direct_messages(
    sqlite_url: str, broker: RunningBroker
) -> None:
    async with a_house(sqlite_url, broker.port) as house, a_device(broker.port) as line:
        await house.register("dev-1")
        await say(line, "dev-1/status", {"reported_config_version": NEW})
        await house.heard(last_seen_at=house.clock.now)
        typed = await house.ws.command(OPERATOR, RANDOM, "diag ping dev-1", wait=0)
        assert typed.error is None
        await eventually(lambda: requests(house))
        await house.later(seconds=1)
        told = await house.ws.wait_for_message(contains="Asking `dev-1`")
        assert told.channel.startswith("D")
        assert f"Muster is not in <#{RANDOM}>, so this is told to you alone" in told.words
        [request] = await requests(house)
        await say(line, "dev-1/diagnostics/ping/response", {"request_id": request.id, "payload": {}})
        await stored(house, {"request_id": request.id}, 1)
        [edited] = [each for each in await house.ws.messages(told.channel) if message_key(each)]
        assert (edited.ts, edited.edited) == (told.ts, True)
