"""What a person sees and clicks, in a real browser."""

from __future__ import annotations

from datetime import timedelta

import pytest

import jobs
from bot.app import Muster, utc_now
from fleet.lifecycle import DeviceStatus
from sandbox.workspace import APPROVER1, APPROVER2
from storage import devices, schedule
from tests import build
from tests.browser.conftest import Screen

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)> <!channel> *b* `c`"


async def with_fleet(muster: Muster, count: int = 45) -> None:
    """A fleet over three sites; the first device says strange things."""
    now = utc_now()
    rows = [
        build.device(
            f"dev-{number:03}",
            now - timedelta(days=3),
            site=("oslo", "bergen", "tromso")[number % 3],
            status=DeviceStatus.ACTIVE if number % 9 else DeviceStatus.MAINTENANCE,
            last_seen_at=now - timedelta(seconds=number) if number % 4 else None,
        )
        for number in range(1, count + 1)
    ]
    rows[0]["firmware_version"] = HOSTILE
    await build.fleet(muster.db, now, rows)


async def escalated(muster: Muster, device_id: str = "dev-900") -> None:
    """An escalation in the ops channel: a device that drifted more than a day ago."""
    now = utc_now()
    columns = {"reported_config_version": build.OLD, "site": HOSTILE}
    async with muster.db.begin() as session:
        await devices.add(session, [build.device(device_id, now, **columns)])
        await schedule.bring_forward(session, schedule.SWEEP, now)
    started = muster.now
    for days in (0, 2):
        muster.now = lambda passed=days: started() + timedelta(days=passed)  # type: ignore[misc]
        for job in jobs.ALL:
            await muster.clock.run(job)
    muster.now = started


async def test_a_command_is_typed_and_answered(screen: Screen) -> None:
    await with_fleet(screen.muster)
    page = screen.page
    await page.type("/fleet status")
    await page.sees("The fleet at a glance", "#messages")
    await page.sees("Only visible to you", "#messages")
    await page.sees("tromso", "#messages")
    await screen.photograph("status")


async def test_help_and_hints_are_those_of_the_person(screen: Screen) -> None:
    page = screen.page
    await page.type("/fleet help drift")
    await page.sees("/fleet drift sweep", "#messages")
    await screen.photograph("help")
    hints = "[...document.querySelectorAll('#composer .hints b')].map((one) => one.innerText)"
    await page.run("document.querySelector('#composer textarea').focus()")
    await page.ask("Input.insertText", text="/fleet dri")
    await page.until(f"{hints}.includes('/fleet drift sweep')")
    await page.run("document.querySelector('#composer textarea').value = ''")
    await page.become("U0VIEWER")
    await page.until("!document.querySelector('#messages').innerText")
    await page.ask("Input.insertText", text="/fleet dri")
    await page.until(f"{hints}.includes('/fleet drift show') && !{hints}.includes('/fleet drift sweep')")


async def test_a_page_of_devices_is_turned_in_place(screen: Screen) -> None:
    await with_fleet(screen.muster)
    page = screen.page
    await page.type("/fleet find all")
    await page.sees("1-20 of 45", "#messages")
    await page.sees("dev-001", "#messages")
    await screen.photograph("find")
    await page.press("Next page")
    await page.sees("21-40 of 45", "#messages")
    await page.sees("replaced in place", "#messages")
    assert "dev-001" not in await page.run("document.querySelector('#messages').innerText")
    await page.press("Previous page")
    await page.sees("1-20 of 45", "#messages")
    assert await page.run("document.querySelectorAll('#messages .message').length") == 1


async def test_an_escalation_is_acknowledged_and_edited_in_place(screen: Screen) -> None:
    await with_fleet(screen.muster, 3)
    page = screen.page
    await escalated(screen.muster)
    await page.sees("dev-900", "#messages")
    await screen.photograph("escalation")
    await page.press("Acknowledge", "#messages")
    await page.sees("Only visible to you", "#messages")
    for job in jobs.ALL:
        await screen.muster.clock.run(job)
    await page.sees("Acknowledged by @olga", "#messages")
    await page.sees("(edited)", "#messages")
    await screen.photograph("acknowledged")


async def test_what_devices_say_is_shown_as_text(screen: Screen) -> None:
    await with_fleet(screen.muster, 3)
    page = screen.page
    for line, shown in (
        ("device show dev-001", "onerror=alert(1)"),
        ("find all", "<img src=x onerror=alert(1)> <!chan"),
    ):
        await page.type(f"/fleet {line}")
        await page.sees(shown, "#messages")
    await escalated(screen.muster)
    await page.sees("<!channel>", "#messages")
    assert await page.run("document.querySelectorAll('#messages img').length") == 0
    mentions = await page.run("[...document.querySelectorAll('#messages .mention')].map((one) => one.innerText)")
    assert mentions == []
    await screen.photograph("hostile")


async def test_a_file_is_previewed_as_a_table(screen: Screen) -> None:
    await with_fleet(screen.muster)
    page = screen.page
    await page.type("/fleet find --csv all")
    await page.sees("It is in your direct messages with Muster", "#messages")
    await page.press("Muster 1", "#ims")
    await page.sees("CSV", "#messages")
    rows = "[...document.querySelectorAll('.sheet tr')].map((row) => row.cells[0].innerText)"
    assert await page.run(rows) == ["device_id", *(f"dev-{number:03}" for number in range(1, 7))]
    await page.sees("and 39 more rows", "#messages")
    assert HOSTILE in await page.run("document.querySelector('.sheet').innerText")
    await screen.photograph("file")


async def test_a_mention_is_answered_in_a_thread(screen: Screen) -> None:
    page = screen.page
    await page.type("@Muster statsu")
    await page.sees("There is no command statsu", "#messages")
    await page.press("Run: status")
    await page.sees("The fleet at a glance", "#messages")
    await page.type("@Muster status")
    await page.sees("1 reply", "#messages")
    await page.run("[...document.querySelectorAll('.replies')].pop().click()")
    await page.sees("The fleet at a glance", "#replies")
    await screen.photograph("thread")


async def test_another_person_sees_what_is_theirs(screen: Screen) -> None:
    page = screen.page
    await page.type("/fleet status")
    await page.sees("Only visible to you", "#messages")
    await page.become("U0VIEWER")
    await page.until("!document.querySelector('#messages').innerText")
    await page.type("/fleet drift sweep")
    await page.sees("needs the role operator", "#messages")


async def test_an_approver_types_the_number_of_devices(screen: Screen) -> None:
    await with_fleet(screen.muster, 3)
    page = screen.page
    await page.type("/fleet device decommission dev-001 worn out")
    await page.sees("waits for 2 approvals", "#messages")
    for job in jobs.ALL:
        await screen.muster.clock.run(job)
    await page.sees("Waits for approval", "#messages")
    await screen.photograph("approval")
    await page.become(APPROVER1)
    await page.press("Approve", "#messages")
    await page.sees("How many devices is this about?", "#modal")
    await screen.photograph("typed-confirmation")
    await page.type("3", "#modal .field")
    await page.press("Approve", "#modal")
    await page.sees("That is not the number of devices", "#modal")
    await page.run("document.querySelector('#modal .field').value = ''")
    await page.type("1", "#modal .field")
    await page.press("Approve", "#modal")
    await page.sees("1 of 2 approvals", "#modal")
    await page.press("Close", "#modal")
    await page.become(APPROVER2)
    await page.press("Muster", "#ims")
    await page.press("Home", "#tabs")
    await page.sees("Decommission dev-001", "#home")
    await screen.photograph("home")
