"""The list of revoked certificates: made when something was revoked, renewed early, placed for the broker, watched."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from sqlalchemy import select

from bot.revocation_file import RevocationFile
from fleet import pki
from fleet.alert import AlertKind, AlertState
from storage import certificates, revocation_lists
from storage.db import Database
from storage.tables import Alert, Certificate, RevocationList
from tests import build, keyed
from tests.conftest import settings_for
from tests.house import House
from tests.keyed import Keyed


@pytest.fixture
async def house(db: Database, now: datetime) -> House:
    await build.fleet(db, now, [build.device(f"dev-{n}", now) for n in (1, 2)])
    house = House(db, settings_for(), now)
    house.authority = keyed.authority()
    return house


def at(path: Path, hook: str = "") -> RevocationFile:
    return RevocationFile(path, hook)


async def issue(house: House, device_id: str) -> str:
    """The serial of a certificate that the device has now."""
    await house.hear(f"{device_id}/certificate/csr", {"csr_pem": Keyed(device_id).csr()})
    await house.settle()
    async with house.db.read() as session:
        found = await certificates.active(session, device_id)
        assert found
        return found.serial


async def revoke(house: House, device_id: str) -> None:
    async with house.db.begin() as session:
        await certificates.revoke(session, [device_id], "key_compromise", house.now)


async def current(house: House) -> RevocationList:
    async with house.db.read() as session:
        found = await revocation_lists.current(session)
        assert found
        return found


def serials(pem: bytes) -> set[str]:
    return {f"{each.serial_number:x}" for each in x509.load_pem_x509_crl(pem)}


async def alert(house: House) -> Alert | None:
    async with house.db.read() as session:
        newest = select(Alert).where(Alert.kind == AlertKind.REVOCATION_LIST).order_by(Alert.opened_at.desc())  # type: ignore[attr-defined]
        return (await session.scalars(newest.limit(1))).first()


async def test_a_revoked_certificate_is_in_the_file_and_the_broker_is_told(house: House, tmp_path: Path) -> None:
    told = tmp_path / "told"
    house.revocation_file = at(tmp_path / "crl.pem", f"sh -c 'echo x >> {told}'")
    serial = await issue(house, "dev-1")
    await house.settle()
    assert serials((tmp_path / "crl.pem").read_bytes()) == set()
    assert told.read_text() == "x\n"
    await revoke(house, "dev-1")
    await house.later(seconds=2)
    assert serials((tmp_path / "crl.pem").read_bytes()) == {serial}
    assert told.read_text() == "x\nx\n"
    async with house.db.read() as session:
        assert (await session.get_one(Certificate, serial)).listed_at == house.now
    await house.later(minutes=5)
    assert told.read_text() == "x\nx\n"
    assert not told.with_name("crl.pem.untold").exists()
    assert await alert(house) is None


async def test_two_lists_are_never_made_in_the_same_second(house: House) -> None:
    await house.settle()
    first = await current(house)
    await issue(house, "dev-1")
    await revoke(house, "dev-1")
    await house.settle()
    assert (await current(house)).number == first.number
    await house.later(seconds=1)
    second = await current(house)
    assert (second.number, second.made_at) == (first.number + 1, first.made_at + timedelta(seconds=1))


async def test_the_list_is_renewed_long_before_its_end(house: House) -> None:
    await house.settle()
    await house.later(days=6)
    assert (await current(house)).number == 1
    await house.later(days=1)
    again = await current(house)
    assert (again.number, again.next_update) == (2, house.now + timedelta(days=30))


async def test_a_certificate_that_is_over_is_not_listed_any_more(house: House) -> None:
    await issue(house, "dev-1")
    await revoke(house, "dev-1")
    await house.later(seconds=1)
    assert (await current(house)).entries == 1
    await house.later(days=366)
    assert (await current(house)).entries == 0


async def test_a_file_that_was_emptied_is_written_anew_and_people_are_told(house: House, tmp_path: Path) -> None:
    file = tmp_path / "crl.pem"
    house.revocation_file = at(file)
    await house.settle()
    whole = file.read_bytes()
    file.write_bytes(b"")
    await house.later(minutes=1)
    assert file.read_bytes() == whole
    told = [letter for letter in house.deliver.posts() if letter.message.template == "alert/revocation_list"]
    assert [letter.message.data["why"][:25] for letter in told] == ["The file was found empty."]
    await house.later(minutes=1)
    ended = await alert(house)
    assert ended
    assert ended.state is AlertState.RESOLVED


async def test_a_hook_that_fails_is_tried_again_until_it_works(house: House, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    house.settings = settings_for(alerts={"ladder": [{"after": "15m", "mention": "<!here>"}]})
    house.revocation_file = at(tmp_path / "crl.pem", f"test -e {ready}")
    await house.settle()
    opened = await alert(house)
    assert opened
    assert (opened.state, opened.device_id) == (AlertState.OPEN, None)
    assert "failed with 1" in opened.data["why"]
    await house.later(minutes=16)
    assert any(letter.message.template == "alert/call" for letter in house.deliver.posts())
    ready.touch()
    await house.later(minutes=1)
    ended = await alert(house)
    assert ended
    assert (ended.id, ended.state) == (opened.id, AlertState.RESOLVED)


async def test_a_folder_that_cannot_be_written_and_a_hook_that_is_not_there_are_said(
    house: House, tmp_path: Path
) -> None:
    for file, why in (
        (at(tmp_path / "nowhere" / "crl.pem"), "cannot be written: No such file or directory"),
        (at(tmp_path / "crl.pem", "/no/such/hook"), "cannot be run: No such file or directory"),
    ):
        house.revocation_file = file
        await house.later(minutes=1)
        found = await alert(house)
        assert found
        assert why in found.data["why"]


async def test_without_the_key_people_are_told_long_before_the_list_ends(house: House, tmp_path: Path) -> None:
    house.revocation_file = at(tmp_path / "crl.pem")
    await house.settle()
    house.authority = None  # a passphrase that was lost, a replica that is gone
    await house.later(days=15)
    assert await alert(house) is None
    await house.later(days=1)
    found = await alert(house)
    assert found
    assert found.data["why"].startswith("The list is about to end")
    assert pki.read_list((tmp_path / "crl.pem").read_bytes()).ends_at - house.now == timedelta(days=14)


async def test_what_is_revoked_and_never_listed_is_told(house: House, tmp_path: Path) -> None:
    house.revocation_file = at(tmp_path / "crl.pem")
    await issue(house, "dev-1")
    house.authority = None
    await revoke(house, "dev-1")
    await house.later(minutes=9)
    assert await alert(house) is None
    await house.later(minutes=1)
    found = await alert(house)
    assert found
    assert found.data["why"].startswith("Certificates were revoked that are not in the list")
