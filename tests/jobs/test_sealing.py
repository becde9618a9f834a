"""The audit's chain on both databases: sealed by several replicas at once, published, verified, exported."""

from __future__ import annotations

import asyncio
import io
import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from bot import auditing
from bot.auditing import BROKEN, UNSURE, WHOLE, Verdict
from fleet.audit import Seal
from fleet.errors import BadInput, Refused
from fleet.settings import DatabaseSettings
from jobs import sealing
from storage import audit, audit_chain, audit_heads
from storage.db import Database
from tests.conftest import NOW, settings_for
from tests.house import House

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def house(db: Database, tmp_path: Path) -> House:
    return House(db, settings_for(audit={"key": KEY, "head_file": str(tmp_path / "heads.jsonl")}), NOW)


async def note(db: Database, count: int, who: str = "olga") -> None:
    for number in range(count):
        async with db.begin() as session:
            data = {"n": number, "ratio": 0.1, "devices": ["dev-ø", "dev-2"], "why": None}
            await audit.add(session, NOW, who, "device.moved", f"dev-{number}", data)


async def verified(house: House, *published: Seal) -> Verdict:
    return await auditing.verify(house.db, house.settings.audit, published, house.now, lambda *_: None)


async def do(house: House, statement: str) -> None:
    async with house.db.begin() as session:
        await session.execute(text(statement))


async def test_entries_are_sealed_in_order_and_verified(house: House) -> None:
    await note(house.db, 5)
    await house.settle()
    await note(house.db, 5)
    await house.later(seconds=1)
    verdict = await verified(house)
    assert (verdict.code, verdict.head.seq, verdict.waiting) == (WHOLE, 10, 0)


async def test_without_a_key_nothing_is_sealed_and_verify_says_what_to_set(db: Database) -> None:
    house = House(db, settings_for(), NOW)
    await note(db, 1)
    await house.settle()
    async with db.read() as session:
        assert (await audit_chain.waiting(session))[0] == 1
    with pytest.raises(Refused, match="MUSTER_AUDIT_KEY"):
        await verified(house)


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE audit SET actor = 'nobody' WHERE seq = 3",
        "UPDATE audit SET data = '{}' WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 3",
        "UPDATE audit SET seq = NULL, mac = NULL WHERE seq = 3",
        "UPDATE audit SET seq = 100 - seq",
        "DELETE FROM audit WHERE seq > 3",
    ],
)
async def test_tampering_with_the_registry_is_found(house: House, tampering: str) -> None:
    await note(house.db, 6)
    await house.settle()
    await do(house, tampering)
    verdict = await verified(house)
    assert verdict.code == BROKEN
    assert verdict.faults


async def test_a_cut_tail_is_found_by_the_published_head(house: House) -> None:
    await note(house.db, 6)
    await house.later(seconds=1)  # sealed, and the head is published
    await house.settle()
    file = house.settings.audit.head_file
    assert file is not None
    [head] = auditing.published_heads(file, [], must_exist=True)
    assert head.seq == 6
    [post] = [each.message for each in house.deliver.posts()]
    assert post.data["mac"] == head.mac
    async with house.db.read() as session:
        third = (await audit_chain.page(session, 2, 1))[0]
    await do(house, "DELETE FROM audit WHERE seq > 3")
    await do(house, f"UPDATE audit_head SET seq = 3, mac = '{third.mac}'")
    assert (await verified(house)).code == WHOLE  # nobody could tell without the head
    assert (await verified(house, head)).code == BROKEN


async def test_the_head_is_published_once_a_day(house: House) -> None:
    for _ in range(5):
        await note(house.db, 1)
        await house.later(hours=12)
    assert len([each for each in house.deliver.posts() if each.message.template == "audit/head"]) == 3
    assert house.settings.audit.head_file is not None
    assert [each.seq for each in audit_heads.read(house.settings.audit.head_file)] == [1, 3, 5]


async def test_an_entry_that_waits_for_its_seal_too_long_is_told(house: House) -> None:
    await note(house.db, 1)
    house.now += timedelta(minutes=6)
    verdict = await verified(house)
    assert (verdict.code, verdict.waiting) == (UNSURE, 1)


async def test_replicas_that_seal_while_others_write_make_one_chain(registry_url: str) -> None:
    replicas = [Database(DatabaseSettings.model_validate({"url": registry_url})) for _ in range(3)]
    if replicas[0].is_sqlite:
        replicas = replicas[:1] * 3
    houses = [House(each, settings_for(audit={"key": KEY, "head_file": None}), NOW) for each in replicas]
    writing = True

    async def seals(house: House) -> None:
        while writing:
            house.now += timedelta(seconds=2)
            await sealing.seal.work(house.run())
            await asyncio.sleep(0)

    try:
        sealers = [asyncio.create_task(seals(house)) for house in houses]
        await asyncio.gather(*(note(each, 25, f"writer-{n}") for n, each in enumerate(replicas * 2)))
        writing = False
        await asyncio.gather(*sealers)
        houses[0].now += timedelta(seconds=2)
        await sealing.seal.work(houses[0].run())
        verdict = await verified(houses[0])
        assert (verdict.code, verdict.head.seq, verdict.faults) == (WHOLE, 150, [])
    finally:
        for each in {id(one): one for one in replicas}.values():
            await each.close()


async def test_whoever_seals_from_a_head_that_has_moved_has_lost(house: House) -> None:
    await note(house.db, 2)
    async with house.db.read() as session:
        before, _ = await audit_chain.head(session)
        entries = await audit_chain.unsealed(session, 10)
    await house.settle()
    stale = [(each.id, Seal(n, "00" * 32)) for n, each in enumerate(entries, 1)]
    async with house.db.begin() as session:
        assert not await audit_chain.seal(session, before, stale, NOW)
    assert (await verified(house)).code == WHOLE


async def test_entries_are_exported_with_their_chain_by_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditing, "PAGE", 2)
    await note(house.db, 5)
    await house.settle()
    out = io.StringIO()
    assert await auditing.export(house.db, None, None, out) == 5
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [each["seq"] for each in lines] == [1, 2, 3, 4, 5]
    assert all(len(each["mac"]) == 64 for each in lines)
    assert await auditing.export(house.db, NOW + timedelta(seconds=1), None, io.StringIO()) == 0


def test_heads_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no head"):
        auditing.published_heads(None, ["12"], must_exist=False)
    assert auditing.published_heads(tmp_path / "none", [], must_exist=False) == []
    with pytest.raises(BadInput, match="cannot be read"):
        auditing.published_heads(tmp_path / "none", [], must_exist=True)
    (tmp_path / "bad").write_text('{"seq": 1}\n')
    with pytest.raises(BadInput, match="line 1"):
        auditing.published_heads(tmp_path / "bad", [], must_exist=True)
