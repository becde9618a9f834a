"""Events to other systems: in order for each subject, at least once, given up visibly, and replayed."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from fleet.alert import AlertKind
from fleet.event import DeliveryState, wanted
from fleet.grouping import Found, group_key
from jobs import events as jobs_events
from jobs.ports import Untaken
from storage import alert_devices, alert_opening, alerts, backlog, event_deliveries, events, schedule
from storage.db import Database
from tests import build
from tests.conftest import NOW, settings_for
from tests.house import House

SECRET = "whsec_c2VjcmV0LW9mLXRoZS10ZWxlbWV0cnktc3RvcmU="
CMMS = {"name": "cmms", "url": "http://cmms.example", "secret": SECRET, "types": ["maintenance.*"]}
BILLING = {"name": "billing", "url": "http://billing.example", "secret": SECRET, "types": ["billing.*", "device.*"]}


@pytest.fixture
async def house(db: Database) -> House:
    return House(db, settings_for(events={"endpoints": [CMMS, BILLING]}), NOW)


async def emit(house: House, kind: str, *subjects: str, **data: object) -> None:
    async with house.db.begin() as session:
        await events.emit_many(session, kind, dict.fromkeys(subjects, data), house.now)


async def tell(house: House) -> datetime:
    """Run the job until nothing is due; returns when something is again."""
    while (due := await jobs_events.tell.work(house.run())) is not None:
        if due > house.now:
            return due
    return house.now


async def later(house: House, **passed: float) -> None:
    house.now += timedelta(**passed)
    await tell(house)


def told(house: House) -> list[tuple[str, str, str]]:
    return [(endpoint, notice.type, notice.subject) for endpoint, notice in house.tell.told]


async def counts(house: House) -> tuple[int, int]:
    async with house.db.read() as session:
        waits = await backlog.count(session, house.now, house.now)
    return waits.events, waits.dead_events


async def test_each_endpoint_gets_what_it_wants_once(house: House) -> None:
    await emit(house, "billing.started", "dev-1", at="now")
    await emit(house, "maintenance.started", "dev-1")
    await emit(house, "retention.changed", "dev-1")
    await tell(house)
    await tell(house)
    assert sorted(told(house)) == [("billing", "billing.started", "dev-1"), ("cmms", "maintenance.started", "dev-1")]
    assert await counts(house) == (0, 0)
    assert {"at": "now"} in [notice.data for _, notice in house.tell.told]


async def test_events_of_a_subject_wait_for_each_other_and_not_for_other_subjects(house: House) -> None:
    for kind in ("billing.started", "billing.stopped"):
        await emit(house, kind, "dev-1", "dev-2")
    house.tell.answers["billing"] = [Untaken("HTTP 500")]
    await tell(house)
    assert told(house) == [
        *(("billing", "billing.started", "dev-1"), ("billing", "billing.started", "dev-2")),
        ("billing", "billing.stopped", "dev-2"),
    ]
    await later(house, seconds=2)
    assert told(house)[3:] == [("billing", "billing.started", "dev-1"), ("billing", "billing.stopped", "dev-1")]
    first, again = house.tell.told[0][1], house.tell.told[3][1]
    assert first == again  # the same id, so that whoever takes it can tell


async def test_a_busy_endpoint_is_left_alone_for_as_long_as_it_asks(house: House) -> None:
    await emit(house, "billing.started", "dev-1")
    await emit(house, "maintenance.started", "dev-1")
    house.tell.answers["cmms"] = [Untaken("HTTP 429", after=timedelta(minutes=10), all=True)]
    await tell(house)
    await emit(house, "maintenance.started", "dev-2")
    await later(house, minutes=9)
    assert sorted(told(house)) == [
        ("billing", "billing.started", "dev-1"),
        ("cmms", "maintenance.started", "dev-1"),
    ]
    await later(house, minutes=2)
    assert told(house)[2:] == [("cmms", "maintenance.started", "dev-1"), ("cmms", "maintenance.started", "dev-2")]


async def test_the_wait_doubles_and_what_is_refused_for_too_long_is_dead_until_replayed(db: Database) -> None:
    house = House(db, settings_for(events={"endpoints": [BILLING], "give_up_after": "3h"}), NOW)
    await emit(house, "billing.started", "dev-1")
    await emit(house, "billing.stopped", "dev-1")
    house.tell.answers["billing"] = [Untaken("HTTP 500")] * 14
    tried_at = []
    due = house.now
    while house.tell.answers["billing"]:
        house.now = due
        tried_at.append(due)
        due = await tell(house)
    assert [(b - a).total_seconds() for a, b in pairwise(tried_at)] == [*(2**n for n in range(1, 12)), 3600, 3600]
    assert tried_at[-2] - NOW < timedelta(hours=3) <= tried_at[-1] - NOW
    assert told(house)[-1] == ("billing", "billing.stopped", "dev-1")  # it had to wait for its turn
    async with house.db.read() as session:
        (dead,) = await event_deliveries.unsettled(session, 10, dead_only=True)
    assert (dead.type, dead.state, dead.error) == ("billing.started", DeliveryState.DEAD, "HTTP 500")
    async with house.db.begin() as session:
        assert await event_deliveries.replay(session, house.now) == 1
    await tell(house)
    assert told(house)[-1] == ("billing", "billing.started", "dev-1")


async def test_an_event_that_was_taken_can_be_replayed_by_its_id(house: House) -> None:
    await emit(house, "billing.started", "dev-1")
    await tell(house)
    async with house.db.begin() as session:
        assert await event_deliveries.replay(session, house.now, house.tell.told[0][1].id) == 1
        assert await event_deliveries.replay(session, house.now, "ev-unknown") == 0
    await tell(house)
    assert house.tell.told[0] == house.tell.told[1]


async def test_an_endpoint_that_is_gone_for_good_or_unnamed_leaves_dead_letters(house: House) -> None:
    await emit(house, "billing.started", "dev-1")
    house.tell.answers["billing"] = [Untaken("HTTP 410", gone=True)]
    await tell(house)
    assert await counts(house) == (0, 1)
    await emit(house, "maintenance.started", "dev-1")
    house.tell.answers["cmms"] = [Untaken("HTTP 500")]
    await tell(house)
    async with house.db.begin() as session:
        await event_deliveries.give_up_others(session, ["billing"], house.now)
    assert await counts(house) == (0, 2)


async def test_what_was_claimed_by_a_process_that_died_is_sent_again_by_another(house: House) -> None:
    await emit(house, "billing.started", "dev-1", "dev-2")
    until = house.now + timedelta(minutes=1)
    async with house.db.begin() as session:
        await event_deliveries.route(session, {"billing": ("*",)}, house.now, 10)
        ours = await event_deliveries.claim(session, "billing", house.now, "muster-2", until, 1)
        assert [row.attempts for row in ours] == [1]
    await tell(house)
    assert told(house) == [("billing", "billing.started", "dev-2")]
    await later(house, minutes=1)
    assert told(house)[1:] == [("billing", "billing.started", "dev-1")]


async def test_old_events_are_forgotten_and_dead_ones_are_not(house: House) -> None:
    await emit(house, "billing.started", "dev-1", "dev-2")
    house.tell.answers["billing"] = [Untaken("HTTP 410", gone=True)]
    await tell(house)
    async with house.db.begin() as session:
        await schedule.ran(session, "unrelated", house.now, house.now)
        assert await event_deliveries.prune(session, house.now, 10) == 0
        assert await event_deliveries.prune(session, house.now + timedelta(days=40), 10) == 1
    assert await counts(house) == (0, 1)


def test_patterns_choose_the_types() -> None:
    assert wanted("billing.started", ("billing.*",))
    assert wanted("billing.started", ("maintenance.*", "*"))
    assert not wanted("billing.started", ("maintenance.*", "Billing.*", "started"))
    assert not wanted("billing.started", ())


async def test_an_alert_is_told_when_it_opens_when_somebody_takes_it_and_when_it_ends(db: Database) -> None:
    pager = {"name": "pager", "url": "http://pager.example", "secret": SECRET, "types": ["alert.*"]}
    house = House(db, settings_for(events={"endpoints": [pager]}), NOW)
    await build.fleet(db, NOW, [build.device("dev-1", NOW)])
    policy, kind = house.settings.alerts, AlertKind.LOCATION
    found = Found(device_id="dev-1", key=group_key("says bergen", "oslo"), data={"site": "oslo"}, shared={}, line="")
    async with db.begin() as session:
        await alert_opening.tell(session, kind, [found], "C0FLEETOPS", policy, NOW)
        alert = await alert_devices.alert_of(session, kind, "dev-1")
        assert alert
        await alerts.acknowledge(session, alert.id, "U0ANN", NOW)
        await alert_devices.resolve_for(session, kind, ["dev-1"], "muster", NOW, policy.edit_every)
    await tell(house)
    assert told(house) == [("pager", f"alert.{word}", alert.id) for word in ("opened", "acknowledged", "resolved")]
    last = house.tell.told[-1][1].data
    assert (last["kind"], last["device_id"], last["site"]) == ("location", "dev-1", "oslo")
    assert (last["acknowledged_by"], last["resolved_by"]) == ("U0ANN", "muster")
