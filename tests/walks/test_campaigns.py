"""Campaigns from typing to the report, with real messages and devices that are offline, silent or refuse."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import aiomqtt
from sqlalchemy import select

from fleet.campaign import CampaignStatus
from sandbox.workspace import APPROVER1, FLEET_OPS, OPERATOR, SeenMessage
from storage.tables import Campaign
from tests import build
from tests.brokers import RunningBroker
from tests.build import NEW, OLD
from tests.conftest import NOW
from tests.walks.conftest import House, a_device, a_house, ended, eventually, message_key, say

QUICK = {"canary": "4", "wave": "100%", "soak": "0s", "retries": 0, "edit_every": "1s"}
IDS = [f"dev-{number:02}" for number in range(20)]
OFFLINE, SILENT, REFUSING = set(IDS[17:]), IDS[16], {IDS[8], IDS[9]}


@asynccontextmanager
async def devices_that_answer(port: int) -> AsyncIterator[None]:
    """Applied or refused, restarted with a new boot; one is silent."""
    async with a_device(port, "the-fleet") as line:
        await line.subscribe([("+/config/desired", 1), ("+/command/restart", 1)])  # type: ignore[list-item]
        answering = asyncio.create_task(_answer(line))
        try:
            yield
        finally:
            await ended(answering)


async def _answer(line: aiomqtt.Client) -> None:
    async for message in line.messages:
        device_id, _, order = message.topic.value.partition("/")
        assert isinstance(message.payload, bytes)
        told = json.loads(message.payload)
        answer: dict[str, Any] = {"operation_id": told["operation_id"]}
        if device_id == SILENT:
            continue
        if device_id in REFUSING:
            answer |= {"status": "rejected", "error": "not on gw9"}
        if order == "command/restart":
            await say(line, f"{device_id}/command/ack", {"status": "done", **answer})
            if device_id not in REFUSING:
                await say(line, f"{device_id}/status", {"reported_config_version": OLD, "boot_id": "boot-2"})
        else:
            await say(line, f"{device_id}/config/ack", {"version": told["version"], "status": "applied", **answer})


async def register(house: House) -> None:
    await build.fleet(
        house.db,
        NOW,
        [
            build.device(
                each,
                NOW,
                site="oslo" if number % 2 else "bergen",
                model="gw9" if each in REFUSING else "gw2",
                target_config_version=OLD,
                reported_config_version=OLD,
                boot_id="boot-1",
                last_seen_at=NOW - timedelta(days=1) if each in OFFLINE else NOW,
            )
            for number, each in enumerate(IDS)
        ],
    )


async def asked_and_approved(house: House, line: str) -> SeenMessage:
    """Typed, asked for with the button, approved by somebody else. Returns the preview."""
    [preview] = (await house.types(line)).answers
    assert preview.ephemeral_to == OPERATOR
    asked = await house.clicks(preview, "Ask for approval")
    assert "approval" in asked.words
    await house.settle()
    request = next(each for each in await house.ws.messages(FLEET_OPS) if "Approve" in each.buttons)
    await house.clicks(request, "Approve", APPROVER1)
    return preview


async def is_(house: House, *statuses: CampaignStatus) -> Campaign:
    """The campaign, once it is in one of these states; the jobs run meanwhile."""

    async def reached() -> Campaign | None:
        await house.settle()
        async with house.db.read() as session:
            row = (await session.scalars(select(Campaign))).one()
        return row if row.status in statuses else None

    found: Campaign = await eventually(reached, every=0.05)
    return found


async def when(house: House, condition: Callable[[], Awaitable[Any]], step: float = 0) -> Any:
    """The first true answer; the jobs run meanwhile, and the clock by `step` seconds each time: posts are paced."""

    async def holds() -> Any:
        await house.later(seconds=step)
        return await condition()

    return await eventually(holds, every=0.05)


async def live(house: House, *words: str) -> SeenMessage:
    """The campaign's one message, once it says so."""

    async def says() -> SeenMessage | None:
        found = [
            each for each in await house.posts() if message_key(each).startswith("campaign:") and not each.thread_ts
        ]
        assert len(found) <= 1
        return next((each for each in found if all(word in each.words for word in words)), None)

    found: SeenMessage = await when(house, says, step=1)
    return found


async def test_a_configuration_is_stopped_by_its_canary_and_goes_on_without_the_model_that_refuses(
    registry_url: str, broker: RunningBroker
) -> None:
    async with devices_that_answer(broker.port), a_house(registry_url, broker.port, campaigns=QUICK) as house:
        await register(house)
        preview = await asked_and_approved(house, f"bulk config {NEW} all")
        assert "*20 devices* for `all`, of which 17 are online" in preview.words
        await is_(house, CampaignStatus.PAUSED)
        standing = await live(house, "canaries failed", "not on gw9")
        assert "Exclude gw9 and go on" in standing.buttons
        went_on = await house.clicks(standing, "Exclude gw9 and go on")
        assert "was waiting for its turn any more in *Configuration" in went_on.words
        await is_(house, CampaignStatus.RUNNING)
        await house.later(minutes=6)  # the silent one has had its time, and was not heard since
        await house.later(days=7)  # and so have those that are offline
        done = await is_(house, CampaignStatus.DONE)
        assert done.targets == 20

        async def reported() -> list[SeenMessage]:
            thread = [each for each in await house.ws.messages(FLEET_OPS) if each.thread_ts == standing.ts]
            return thread if len(thread) == 5 else []  # the pause, who went on, the report and its two files

        thread = await when(house, reported, step=1)
        assert any("was paused by its gate" in each.words for each in thread)
        [report] = [each for each in thread if "ended: done" in each.text]
        assert "14 succeeded" in report.words
        await live(house, "done", "of 20 approved devices were skipped")


async def test_a_restart_is_verified_by_the_boot_and_keeps_its_stagger(
    registry_url: str, broker: RunningBroker
) -> None:
    quick = {**QUICK, "canary": "", "max_failed": 1.0}
    async with devices_that_answer(broker.port), a_house(registry_url, broker.port, campaigns=quick) as house:
        await register(house)
        await asked_and_approved(house, "bulk restart dev-00 dev-01 dev-02 dev-03 dev-08 dev-17 --last dev-00")

        async def sent() -> list[datetime]:
            found = [each for name in IDS for each in await house.operations(name)]
            return sorted(each.sent_at for each in found if each.kind == "restart" and each.sent_at)

        async def after(count: int) -> list[datetime]:
            async def reached() -> list[datetime] | None:
                moments = await sent()
                return moments if len(moments) >= count else None

            # What a busy machine did not send at once is sent again some seconds later, so the clock goes on.
            moments: list[datetime] = await when(house, reached, step=1)
            return moments

        first, second = await after(2)  # one at each site
        await house.later(seconds=(first + timedelta(seconds=29) - house.clock.now).total_seconds())
        assert await sent() == [first, second]
        *_, third, fourth = await after(4)
        assert min(third - first, fourth - first) >= timedelta(seconds=30)
        for _ in range(4):
            await house.later(seconds=30)
        await after(5)
        await house.later(days=7)
        await is_(house, CampaignStatus.DONE)
        await live(house, "4 succeeded", "1 rejected", "done")
