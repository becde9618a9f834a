"""Campaigns for tests: a house with the jobs that they need, a fleet at three sites, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from commands import bulk, campaign_approval
from commands.spec import Call
from fleet.campaign import TargetState
from fleet.message import Message
from fleet.roles import Person, Role
from fleet.selector import parse
from jobs.approvals import start
from jobs.campaigns import advance
from jobs.delivery import send
from jobs.drift import sweep
from jobs.fences import recount
from jobs.outbox import post
from storage import campaigns
from storage.tables import Campaign, campaign_devices, devices
from tests import build
from tests.build import NEW, OLD
from tests.house import House

OLGA = Person("U0OLGA", Role.ADMIN)
NOBODY_NEEDED = {"policies": [{"operation": "*", "approvals": 0}]}


class Campaigns(House):
    """A house in which only those jobs run that campaigns need: there are many others by now."""

    async def settle(self) -> None:
        for _ in range(2):
            for job in (start, advance, recount, send, sweep, post):
                for _ in range(100):
                    due = await job.work(self.run())
                    if due is None or due > self.now:
                        break


def call(house: House, person: Person = OLGA) -> Call:
    return Call(person, "C0FLEETOPS", house.now, house.db, house.settings)


async def a_fleet(house: House, count: int, **columns: Any) -> list[str]:
    """Online devices on OLD at three sites in turn, which should run OLD."""
    sites = ("bergen", "oslo", "trondheim")
    old = {"target_config_version": OLD, "reported_config_version": OLD, "last_seen_at": house.now}
    rows = [
        build.device(f"dev-{number:02}", house.now, **{"site": sites[number % 3], **old, **columns})
        for number in range(count)
    ]
    await build.fleet(house.db, house.now, rows)
    return [row["device_id"] for row in rows]


def named(message: Message) -> str:
    return str(message.data["campaign_id"])


async def begun(house: House, which: str = "all", **flags: Any) -> str:
    """A config campaign to NEW, planned, asked for, and looked at for the first time."""
    planned = await bulk.config(call(house), NEW, parse(which), **flags)
    await campaign_approval.ask(call(house), named(planned))
    await house.settle()
    return named(planned)


async def row_of(house: House, campaign_id: str) -> Campaign:
    async with house.db.read() as session:
        return await campaigns.get(session, campaign_id)


async def states(house: House, campaign_id: str) -> Counter[str]:
    async with house.db.read() as session:
        found = await session.scalars(
            select(campaign_devices.c.state).where(campaign_devices.c.campaign_id == campaign_id)
        )
        return Counter(str(each.value) for each in found)


async def under_way(house: House, campaign_id: str) -> list[str]:
    async with house.db.read() as session:
        statement = select(campaign_devices.c.device_id).where(
            campaign_devices.c.campaign_id == campaign_id, campaign_devices.c.state == TargetState.DISPATCHED
        )
        return sorted(await session.scalars(statement))


async def ack(house: House, device_ids: Sequence[str], status: str = "applied", **more: object) -> None:
    for each in device_ids:
        await house.ack(each, NEW, status, **more)
    await house.settle()


async def all_online(house: House) -> None:
    async with house.db.begin() as session:
        await session.execute(devices.update().values(last_seen_at=house.now))
