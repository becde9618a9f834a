"""/metrics, /healthz, /readyz and /crl.pem of the running bot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.app import Muster
from fleet.errors import Refused
from fleet.settings import DatabaseSettings
from sandbox.workspace import RateLimits, Workspace
from storage import numbers, revocation_lists
from storage.db import Database
from tests import build, keyed
from tests.brokers import RunningBroker, embedded_broker
from tests.conftest import NOW, settings_for
from tests.workspaces import slack_for

SOON = 10.0


@pytest.fixture(scope="module")
def broker() -> Iterator[RunningBroker]:
    with embedded_broker() as running:
        yield running


@asynccontextmanager
async def a_house(url: str, mqtt_port: int, **web: Any) -> AsyncIterator[tuple[Muster, Workspace]]:
    async with Workspace.start(limits=RateLimits(enabled=False)) as ws:
        slack = slack_for(ws)
        web = {"enabled": True, "port": 0, **web}
        muster = Muster(settings_for(url, slack=slack, mqtt={"port": mqtt_port}, web=web), now=lambda: NOW)
        try:
            await muster.start()
            yield muster, ws
        finally:
            await muster.stop()


async def get(muster: Muster, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{muster.web.port}{path}") as answer:
        return answer.status, await answer.text()


async def metrics(muster: Muster) -> dict[str, float]:
    """`muster_devices{status=active}` and the like."""
    status, text = await get(muster, "/metrics")
    assert status == 200
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def ready(muster: Muster, status: int = 200) -> str:
    async with asyncio.timeout(SOON):
        while True:
            given, said = await get(muster, "/readyz")
            if given == status:
                return said
            await asyncio.sleep(0.01)


async def test_the_fleet_and_the_process_are_told_in_numbers(sqlite_url: str, broker: RunningBroker) -> None:
    db = Database(DatabaseSettings.model_validate({"url": sqlite_url}))
    made = [build.device("dev-1", NOW, last_seen_at=NOW), build.device("dev-2", NOW, reported_config_version=build.OLD)]
    await build.fleet(db, NOW, made)
    await db.close()
    async with a_house(sqlite_url, broker.port) as (muster, _ws):
        await ready(muster)
        await muster.clock.run(muster.clock.jobs["delivery"])
        found = await metrics(muster)
    assert found["muster_devices{status=active}"] == 2
    assert (found["muster_devices_online"], found["muster_devices_drifted"]) == (1, 1)
    assert (found["muster_registry_up"], found["muster_broker_connected"], found["muster_slack_sockets"]) == (1, 1, 1)
    assert found["muster_job_runs_total{job=delivery}"] == 1
    assert found["muster_job_failures_total{job=delivery}"] == 0
    for name in (
        *("muster_messages_received_total", "muster_messages_stored_total", "muster_messages_acked_total"),
        *("muster_messages_stale_acks_total", "muster_messages_published_total", "muster_link_batches_total"),
        *("muster_messages_publish_failures_total", "muster_link_reconnects_total", "muster_outbox_waiting"),
        *("muster_outbox_age_seconds", "process_resident_memory_bytes"),
    ):
        assert name in found


async def test_however_many_scrape_the_fleet_is_counted_once_in_a_while(
    sqlite_url: str, broker: RunningBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = 0

    async def take(*args: Any) -> numbers.Numbers:
        nonlocal counted
        counted += 1
        return await really(*args)

    really = numbers.take
    monkeypatch.setattr(numbers, "take", take)
    async with a_house(sqlite_url, broker.port) as (muster, _ws):
        await asyncio.gather(*(metrics(muster) for _ in range(5)))
        await metrics(muster)
    assert counted == 1


async def test_it_is_not_ready_without_a_broker_and_says_why(sqlite_url: str) -> None:
    async with a_house(sqlite_url, 1) as (muster, ws):
        await ws.wait_for_connections(1, timeout=SOON)
        said = await ready(muster, 503)
        assert "The broker 127.0.0.1:1 is not connected" in said
        assert (await get(muster, "/healthz"))[0] == 200
        assert (await metrics(muster))["muster_broker_connected"] == 0


async def test_it_is_not_ready_without_slack_or_a_database(sqlite_url: str, broker: RunningBroker) -> None:
    async with a_house(sqlite_url, broker.port) as (muster, ws):
        await ready(muster)
        await ws.close()
        assert "No socket to Slack is open" in await ready(muster, 503)


async def test_it_is_not_healthy_once_a_task_that_runs_for_ever_has_ended(
    sqlite_url: str, broker: RunningBroker
) -> None:
    async with a_house(sqlite_url, broker.port) as (muster, _ws):
        await ready(muster)
        assert await get(muster, "/healthz") == (200, '{"healthy": true, "reasons": []}')
        muster._tasks[0].cancel()
        await asyncio.gather(*muster._tasks, return_exceptions=True)
        status, said = await get(muster, "/healthz")
    assert (status, "broker connection has ended" in said) == (503, True)


async def test_without_the_setting_nothing_listens(sqlite_url: str, broker: RunningBroker) -> None:
    async with a_house(sqlite_url, broker.port, enabled=False) as (muster, _ws):
        assert muster.web.port == 0


async def test_the_slack_address_exists_in_http_mode_only(sqlite_url: str, broker: RunningBroker) -> None:
    async with a_house(sqlite_url, broker.port) as (muster, _ws):
        assert (await get(muster, "/slack/events"))[0] == 404


async def test_a_port_that_is_taken_is_refused_in_words(sqlite_url: str, broker: RunningBroker) -> None:
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    with pytest.raises(Refused, match=f"cannot listen on 127.0.0.1:{port}"):
        async with a_house(sqlite_url, broker.port, port=port):
            pass
    taken.close()
    await taken.wait_closed()


async def test_the_revocation_list_is_served_where_there_is_one(sqlite_url: str, broker: RunningBroker) -> None:
    async with a_house(sqlite_url, broker.port) as (muster, _):
        assert (await get(muster, "/crl.pem"))[0] == 404
        pem = keyed.authority().revocation_list([], 1, NOW, NOW + timedelta(days=30))
        made = {"number": 1, "made_at": NOW, "next_update": NOW + timedelta(days=30), "entries": 0, "pem": pem}
        async with muster.db.begin() as session:
            await revocation_lists.replace(session, made, [], NOW)
        assert await get(muster, "/crl.pem") == (200, pem)
