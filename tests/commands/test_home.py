"""What stands on whose Home tab."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

import commands
from bot.render import render
from bot.router import Router
from commands import home
from fleet.alert import AlertKind
from fleet.approval import Decision, Verdict
from fleet.campaign import CampaignKind, CampaignStatus
from fleet.grouping import Found
from fleet.message import Message
from fleet.plan import plan_for
from fleet.roles import Person, Role
from storage import alert_opening, approvals, campaigns
from storage.db import Database
from tests import build
from tests.conftest import NOW, settings_for
from tests.house import House
from tests.typed import ANN, VIC, types

CAT, DAN = Person("U0CAT", Role.APPROVER), Person("U0DAN", Role.APPROVER)
NOBODY = Person("U0NIL", Role.NONE, "not named in app.yaml, so roles.everyone holds")


@pytest.fixture
async def house(db: Database) -> House:
    """Ann asks for a move, which needs two."""
    house = House(db, settings_for(approvals={"policies": [{"approvals": 2}]}), NOW)
    await build.fleet(db, NOW, [build.device(f"dev-{number}", NOW) for number in (1, 2, 3)])
    await types(house, "device move dev-1 bergen")
    return house


async def parts(house: House, person: Person) -> Sequence[Message]:
    call = Router(commands.ALL, house.settings, house.db).call(person, person.id, house.now)
    made = await home.parts(call)
    for part in made:
        render(part)
    return made


async def waiting(house: House, person: Person) -> list[str]:
    return [part.data["title"] for part in await parts(house, person) if part.template == "home/request"]


async def test_everybody_sees_what_they_may_decide_and_what_they_asked_for(house: House) -> None:
    assert await waiting(house, CAT) == await waiting(house, DAN) == ["Move dev-1 to bergen"]
    assert await waiting(house, ANN) == await waiting(house, VIC) == []
    [own] = [part for part in await parts(house, ANN) if part.template == "home/own"]
    assert [button.text for button in own.buttons] == ["Take back: Move dev-1 to bergen"]
    async with house.db.begin() as session:
        [request], _ = await approvals.pending(session, NOW, 1)
        await approvals.decide(session, request.id, Decision(Verdict.APPROVE), CAT, NOW, house.settings)
    assert (await waiting(house, CAT), await waiting(house, DAN)) == ([], ["Move dev-1 to bergen"])
    [part] = await parts(house, NOBODY)
    assert (part.template, part.buttons) == ("home/nothing", ())


async def test_more_requests_than_fit_are_counted(house: House) -> None:
    async with house.db.begin() as session:
        for number in range(12):
            plan = plan_for("device.move", f"Move {number}", {}, ["dev-2"], ["oslo"])
            await approvals.ask(session, plan, ANN.id, NOW, house.settings)
    head = (await parts(house, CAT))[0]
    assert head.data == {"waiting": 13, "shown": 10, "total": 13}
    assert len(await waiting(house, CAT)) == 10


async def test_alerts_are_those_taken_by_this_person_or_by_nobody(house: House) -> None:
    found = [Found(f"dev-{number}", f"key-{number}", {"site": "oslo"}, {}, "") for number in (1, 2, 3)]
    async with house.db.begin() as session:
        await alert_opening.tell(session, AlertKind.FLAPPING, found, "C0FLEETOPS", house.settings.alerts, NOW)
    [listed] = [part for part in await parts(house, ANN) if part.template == "home/alerts"]
    ids = {row[1]: row[0] for row in listed.data["rows"]}
    await types(house, f"alert ack {ids['dev-1']}", ANN)
    await types(house, f"alert ack {ids['dev-2']}", CAT)
    [listed] = [part for part in await parts(house, ANN) if part.template == "home/alerts"]
    assert sorted((row[1], row[3]) for row in listed.data["rows"]) == [("dev-1", "acknowledged"), ("dev-3", "open")]
    assert [button.text for button in listed.buttons] == ["Acknowledge dev-3"]
    [seen] = [part for part in await parts(house, VIC) if part.template == "home/alerts"]
    assert seen.buttons == (), "a viewer may not take one"


async def test_campaigns_under_way_are_shown_and_drafts_are_not(house: House) -> None:
    async with house.db.begin() as session:
        for number, status in enumerate((CampaignStatus.SOAKING, CampaignStatus.PLANNED, CampaignStatus.DONE)):
            row = {"id": f"cp-00{number}", "kind": CampaignKind.RESTART, "title": str(status), "status": status}
            await campaigns.add(session, {**row, "selector": "all", "created_at": NOW, "created_by": ANN.id})
    [shown] = [part for part in await parts(house, VIC) if part.template == "home/campaigns"]
    assert [row[1] for row in shown.data["rows"]] == ["soaking"]
