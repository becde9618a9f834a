"""Two bots on one registry, in the middle of a sweep and of a restart; then somebody stops everything."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import aiomqtt
from sqlalchemy import func, select, update

from commands import bulk, campaign_approval
from commands.spec import Call
from fleet.operation import OperationKind, OperationState
from fleet.roles import Person, Role
from fleet.selector import parse
from fleet.settings import Settings
from sandbox.broker import free_port
from sandbox.workspace import APPROVER1, FLEET_OPS, RateLimits, Workspace
from storage import fences
from storage.db import Database
from storage.fences import OutThere
from storage.tables import Device, Operation
from tests import build
from tests.brokers import embedded_broker
from tests.build import OLD
from tests.walks.conftest import ended, eventually, message_key
from tests.walks.process import Bot, settings_of

OLGA = Person("U0OLGA", Role.ADMIN)
DRIFTING, RESTARTING, SITES = 2_000, 100, 10


class Heard:
    """All that reaches any device, by the last word of its topic: which operations and requests. Nobody answers."""

    def __init__(self) -> None:
        self.ids: dict[str, set[str]] = defaultdict(set)

    @property
    def publishes(self) -> int:
        return sum(len(each) for each in self.ids.values())

    async def listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            said = json.loads(message.payload)
            self.ids[message.topic.value.rpartition("/")[2]].add(said.get("operation_id") or said["request_id"])


@asynccontextmanager
async def the_devices(port: int) -> AsyncIterator[Heard]:
    async with aiomqtt.Client("127.0.0.1", port, identifier="the-fleet") as client:
        for order in ("config/desired", "command/restart", "diagnostics/ping"):
            await client.subscribe(f"+/{order}", qos=1)
        heard = Heard()
        listening = asyncio.create_task(heard.listen(client))
        try:
            yield heard
        finally:
            await ended(listening)


async def a_fleet(db: Database, settings: Settings) -> None:
    """All run what they should. Some are about to be restarted, one a second at each site."""
    now = datetime.now(UTC)
    old = [build.device(f"old-{n:04}", now, last_seen_at=now) for n in range(DRIFTING)]
    new = [build.device(f"new-{n:03}", now, site=f"site-{n % SITES}", last_seen_at=now) for n in range(RESTARTING)]
    await build.fleet(db, now, [*old, *new])
    call = Call(OLGA, FLEET_OPS, now, db, settings)
    plan = await bulk.restart(call, parse("site:site-*"), stagger=timedelta(seconds=1), canary="none", wave="100%")
    await campaign_approval.ask(call, str(plan.data["campaign_id"]))


async def drift(db: Database) -> None:
    async with db.begin() as session:
        drifts = update(Device).where(Device.device_id.startswith("old-"))
        await session.execute(drifts.values(reported_config_version=OLD))


def given_to(number: int, url: str, port: int, ws: Workspace) -> dict[str, Any]:
    """The settings of one of the bots."""
    usual = settings_of(url, port, ws)
    return usual | {
        "mqtt": {**usual["mqtt"], "client_id": f"muster-{number}"},
        "roles": {"approver": {"users": [APPROVER1]}},
        "approvals": {"policies": [{"operation": "*", "approvals": 0}]},
        "drift": {"sweep_every": "1s", "sweep_limit": 50, "online_within": "5m", "ack_timeout": "5m"},
        "web": {"enabled": True, "port": free_port()},
    }


async def is_ready(port: int) -> bool:
    """The bot whose web server is at that port reaches database, broker and Slack."""
    try:
        async with aiohttp.ClientSession() as web, web.get(f"http://127.0.0.1:{port}/readyz") as answer:
            return answer.ok
    except aiohttp.ClientConnectorError:
        return False


async def published(port: int) -> float:
    """By that bot."""
    async with aiohttp.ClientSession() as web, web.get(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("muster_messages_published_total "))


async def counted(db: Database) -> OutThere | None:
    """What the message of the stop counts of what is out there, once nothing is leaving any more."""
    async with db.read() as session:
        fence = await fences.standing(session)
        numbers = await fences.out_there(session, datetime.now(UTC))
    told = fence and fence.told and OutThere(**fence.told)
    if not told or numbers.leaving or (told.retained, told.commands) != (numbers.retained, numbers.commands):
        return None
    return numbers


async def test_after_stop_all_no_replica_sends_anything_and_what_is_out_there_is_counted(
    postgres_registry: str, tmp_path: Path
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        broker = stack.enter_context(embedded_broker())
        ws = await stack.enter_async_context(Workspace.start(limits=RateLimits(enabled=False)))
        heard = await stack.enter_async_context(the_devices(broker.port))
        given = [given_to(number, postgres_registry, broker.port, ws) for number in (1, 2)]
        settings = Settings.model_validate(given[0])
        db = Database(settings.database)
        stack.push_async_callback(db.close)
        await a_fleet(db, settings)
        bots = []
        for number, each in enumerate(given):
            (tmp_path / str(number)).mkdir()
            bots.append(Bot(tmp_path / str(number), each))
            await bots[-1].start()
            stack.push_async_callback(bots[-1].end, signal.SIGKILL)

        async def restarting() -> bool:
            return len(heard.ids["restart"]) > 0 and all([await is_ready(each["web"]["port"]) for each in given])

        async def both_push() -> bool:
            return len(heard.ids["desired"]) > 0 and all([await published(each["web"]["port"]) > 0 for each in given])

        await eventually(restarting, within=60, every=0.1)
        await drift(db)
        await eventually(both_push)
        await ws.command(APPROVER1, FLEET_OPS, "bulk stop-all the new one bricks gateways", wait=15)
        numbers: OutThere = await eventually(lambda: counted(db))
        before = heard.publishes
        assert (numbers.retained, numbers.commands) == (len(heard.ids["desired"]), len(heard.ids["restart"]))

        async def shown() -> bool:
            posts = [each for each in await ws.messages(FLEET_OPS) if message_key(each).startswith("fence:")]
            return len(posts) == 1 and f"{numbers.retained:,} order" in posts[0].words

        await eventually(shown)
        for line in ("drift sweep", "diag ping old-0001", "drift retry old-0002", "diag ping new-001"):
            await ws.command(APPROVER1, FLEET_OPS, line, wait=0)

        async def held_back() -> bool:
            async with db.read() as session:
                pings = select(func.count()).where(
                    Operation.kind == OperationKind.PING, Operation.state == OperationState.QUEUED
                )
                return await session.scalar(pings) == 2

        await eventually(held_back)
        assert heard.publishes == before
        await ws.command(APPROVER1, FLEET_OPS, "bulk go-on", wait=15)

        async def going_on() -> bool:
            return len(heard.ids["ping"]) == 2 and len(heard.ids["desired"]) > numbers.retained

        await eventually(going_on)
        assert len(heard.ids["restart"]) == numbers.commands  # that campaign waits for a person
        assert [await each.end(signal.SIGTERM) for each in bots] == [0, 0]
