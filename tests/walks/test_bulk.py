"""Bulk operations from the typed line to the end report: the stand-in workspace, a real broker, and a simulated fleet
with faults: 15 % offline, some failing, one model that rejects.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from fleet.lifecycle import DeviceStatus
from sandbox.devices import Behaviour, SimulatedDevice, SimulatedFleet, mixed
from sandbox.workspace import APPROVER1, APPROVER2, OPERATOR, SeenMessage
from storage import campaigns, certificates, devices
from storage.db import AnyRow
from storage.tables import campaign_devices, decommissions
from storage.tables import devices as device_table
from tests import build, keyed
from tests.brokers import RunningBroker
from tests.walks.conftest import SOON, House, a_house, eventually, message_key

NOWHERE = 9  # the discard port: a renaming needs no broker
MODELS = ("gw2",) * 5 + ("gw3",) * 4 + ("old",)
ONE_REJECTS = {Behaviour.OFFLINE: 0.15, Behaviour.FAILS: 0.03}
PACE = {"status_every": 0.5, "prompt_within": 0.05, "reboot_within": 0.05, "step_within": 0.02}
AT_ONCE = {"canary": "2", "wave": "100%", "soak": "0s", "max_failed": 0.3, "retries": 0}
SHA = "0f" * 32


@asynccontextmanager
async def a_fleet(
    url: str, broker: RunningBroker, shares: Mapping[Behaviour, float], count: int = 20, **sections: Any
) -> AsyncIterator[tuple[House, dict[str, SimulatedDevice]]]:
    """Muster, and simulated devices that it has heard, but for those that are offline."""
    made = mixed(count, build.NEW, shares=shares, models=MODELS, rejecting_model="old")
    fleet = SimulatedFleet(made, "127.0.0.1", broker.port, connections=1, **PACE)
    sections = {"campaigns": AT_ONCE, "drift": {"online_within": "2h"}, **sections}
    async with a_house(url, broker.port, **sections) as house:
        house.clock.now = datetime.now(UTC)  # devices go by the real time
        soon = house.clock.now.replace(year=house.clock.now.year + 1)
        rows = [
            build.device(each.device_id, house.clock.now, site=each.site, model=each.model, certificate_not_after=soon)
            for each in made
        ]
        await build.fleet(house.db, house.clock.now, rows)
        running = asyncio.create_task(fleet.run())
        try:
            offline = sum(each.behaviour is Behaviour.OFFLINE for each in made)
            await eventually(lambda: heard(house, count - offline))
            yield house, fleet.devices
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


async def heard(house: House, count: int) -> bool:
    async with house.db.read() as session:
        found = await session.scalars(select(device_table.c.device_id).where(device_table.c.boot_id != ""))
    return len(found.all()) == count


async def approved(house: House, line: str, *approvers: str, typed: str = "") -> str:
    """Typed, looked at, asked for by the button, and approved by clicks. Returns the campaign's id."""
    preview = (await house.types(line)).answers[0]
    assert "Nothing happens before it is approved." in preview.words
    assert "waits for" in (await house.clicks(preview, "Ask for approval")).words
    await house.settle()
    [request] = [each for each in await house.posts() if message_key(each).startswith("approval:")]
    for who in approvers:
        if not typed:
            await house.clicks(request, "Approve", who)
            continue
        await house.ws.click(who, request.ts, "Approve")
        await house.ws.wait_for_modal(who, contains="How many devices")
        await house.ws.submit(who, {"count": typed})
        await house.ws.wait_for_modal(who, lambda view: view.submit is None)
    await house.settle()
    async with house.db.read() as session:
        [row] = await campaigns.recent(session, 5)
    return row.id


async def targets(house: House, campaign_id: str) -> dict[str, AnyRow]:
    async with house.db.read() as session:
        statement = select(campaign_devices).where(campaign_devices.c.campaign_id == campaign_id)
        return {row.device_id: row for row in await session.execute(statement)}


async def states(house: House, campaign_id: str) -> Counter[str]:
    return Counter(row.state.value for row in (await targets(house, campaign_id)).values())


async def nothing_under_way(house: House, campaign_id: str, seconds: float = 1, **passes: float) -> None:
    """Until all that are online have been tried; the clock is turned each time it is looked at.

    What a busy machine could not do at once is due again later: with a clock that stands, never.
    """
    busy = {"planned", "dispatched", "acked", "verifying"}

    async def tried() -> bool:
        house.clock.now += timedelta(seconds=seconds, **passes)
        await house.settle()
        return not busy & set(await states(house, campaign_id))

    await eventually(tried, every=0.2, within=3 * SOON)


async def report(house: House, campaign_id: str) -> SeenMessage:
    """The message of a campaign that has ended, after the time of those that are offline."""
    await house.later(days=45)
    await house.settle()
    async with house.db.read() as session:
        assert (await campaigns.get(session, campaign_id)).status == "done"
    [live] = [each for each in await house.posts() if message_key(each) == f"campaign:{campaign_id}"]
    return live


async def test_firmware_from_the_line_to_the_report(registry_url: str, broker: RunningBroker) -> None:
    async with a_fleet(registry_url, broker, ONE_REJECTS) as (house, fleet):
        await house.types(f"firmware add 2.0 https://files.example.com/2.0.bin {SHA} 500")
        good = [each for each in fleet.values() if each.behaviour is Behaviour.PROMPT]
        await house.types(f"group add canary {good[0].device_id} {good[1].device_id}")
        campaign_id = await approved(house, "bulk firmware 2.0 all", APPROVER1)
        await nothing_under_way(house, campaign_id)
        found = await targets(house, campaign_id)
        for each in fleet.values():
            state, why = found[each.device_id].state.value, found[each.device_id].why
            match each.behaviour:
                case Behaviour.OFFLINE:
                    assert state == "parked"
                case Behaviour.REJECTS:
                    assert (state, why) == ("rejected", "It failed: the artefact is for other hardware")
                case Behaviour.FAILS:
                    assert why == "It failed: the checksum differs from the order's"
                case _:
                    assert (state, each.firmware, each.boot) == ("succeeded", "2.0", 2)
        assert {found[each.device_id].wave for each in good[:2]} == {1}
        words = (await report(house, campaign_id)).words
        assert f"{len(good)} succeeded" in words
        assert "It failed:" in words  # the failures, grouped by their cause


async def test_certificates_are_rotated_from_the_line_to_the_report(
    registry_url: str, broker: RunningBroker, tmp_path: Path
) -> None:
    certificate, key = keyed.ca_files(keyed.MUSTER_CA)
    (tmp_path / "ca.pem").write_text(certificate)
    (tmp_path / "ca.key").write_text(key)
    (tmp_path / "ca.key").chmod(0o600)
    files = {"ca_file": tmp_path / "ca.pem", "key_file": tmp_path / "ca.key", "ca_passphrase": keyed.PASSPHRASE}
    silent = {Behaviour.OFFLINE: 0.15, Behaviour.NEVER_ACKS: 0.05}
    async with a_fleet(registry_url, broker, silent, 15, certificates=files) as (house, fleet):
        campaign_id = await approved(house, "bulk rotate-certs all --over 1d --max-failed 30%", APPROVER1)
        await nothing_under_way(house, campaign_id, minutes=15)
        found = await targets(house, campaign_id)
        for each in fleet.values():
            match each.behaviour:
                case Behaviour.OFFLINE:
                    assert found[each.device_id].state == "parked"
                case Behaviour.NEVER_ACKS:
                    assert found[each.device_id].state == "timed_out"
                case _:
                    assert found[each.device_id].state == "succeeded"
                    async with house.db.read() as session:
                        active = await certificates.active(session, each.device_id)
                    assert active is not None
                    assert (active.state, active.campaign_id) == ("installed", campaign_id)
        assert "succeeded" in (await report(house, campaign_id)).words


async def test_devices_are_decommissioned_from_the_line_to_the_report(registry_url: str, broker: RunningBroker) -> None:
    async with a_fleet(registry_url, broker, ONE_REJECTS, 12) as (house, fleet):
        meant = [each.device_id for each in fleet.values() if each.site == "oslo"]
        campaign_id = await approved(house, "bulk decommission site:oslo", APPROVER1, APPROVER2, typed=str(len(meant)))
        await nothing_under_way(house, campaign_id)
        assert await states(house, campaign_id) == {"succeeded": len(meant)}  # also those that are offline
        async with house.db.read() as session:
            assert {(await devices.get(session, each)).status for each in meant} == {DeviceStatus.DECOMMISSIONED}
            exports = (await session.execute(select(decommissions))).all()
        assert sorted(each.device_id for each in exports) == sorted(meant)
        for each in exports:
            assert len([json.loads(line) for line in each.export.splitlines()]) == each.export_rows
        checked = (await house.types(f"bulk checklist {campaign_id[-6:]}")).words
        assert f"{len(meant)} of {len(meant)} devices* decommissioned" in checked
        assert "done" in (await report(house, campaign_id)).words.lower()


async def test_a_tag_is_renamed_and_renamed_back(registry_url: str) -> None:
    async with a_house(registry_url, NOWHERE, wait=False) as house:
        tags = [{"device_id": "dev-1", "name": "env", "value": "prod"}]
        await build.fleet(house.db, house.clock.now, [build.device("dev-1", house.clock.now)], tags=tags)
        await house.types("dashboard add wall https://example.com/1 tag:env=prod")
        preview = (await house.types("bulk retag env stage")).answers[0]
        assert "dashboard `wall`: `tag:env=prod` becomes `tag:stage=prod`" in preview.words
        assert "waits for" in (await house.clicks(preview, "Ask for it")).words
        await house.later(seconds=1)
        [request] = await house.posts()
        await house.clicks(request, "Approve", APPROVER1)
        await house.later(seconds=1)
        [told] = [each for each in await house.posts() if message_key(each).startswith("retag:")]
        assert f"<@{OPERATOR}> renamed `env` to `stage`: 1 device and 1 reference changed" in told.words
        assert "*1 device* for `tag:stage=prod`" in (await house.types("find tag:stage=prod")).words
        assert "*1 device* for `tag:env`" in (await house.types("find tag:env")).words  # the old name still holds
        await house.clicks(told, "Undo")
        await house.later(seconds=1)
        request = next(each for each in await house.posts() if each.says("Undo the renaming"))
        await house.clicks(request, "Approve", APPROVER2)
        await house.later(seconds=1)
        assert "tag:env=prod" in (await house.types("dashboard list")).words
        assert any("undid the renaming" in each.words for each in await house.posts())
