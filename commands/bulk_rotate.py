"""Certificates of many devices renewed over many days, never all at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from commands.campaign_draft import Draft, plan
from commands.pace import At, MaxFailed, rollout_of
from commands.spec import Call, command
from fleet import rotation
from fleet.campaign import LEGAL, CampaignKind
from fleet.durations import short
from fleet.errors import BadInput
from fleet.message import Message
from fleet.roles import Role
from fleet.rotation import DAY, Rotation
from fleet.selector import Selector
from storage import devices
from storage.selection import condition

_LONGEST = 366 * DAY


@command("bulk rotate-certs", role=Role.OPERATOR, example="bulk rotate-certs status:active --over 30d")
async def rotate(
    call: Call,
    which: Selector,
    *,
    over: Annotated[timedelta | None, "the days it takes in all, such as 30d"] = None,
    per_minute: Annotated[int | None, "how many are asked, and so reconnect, in a minute"] = None,
    max_failed: MaxFailed = None,
    at: At = None,
) -> Message:
    """Renew the certificates of many devices over days (30), the earliest end first, so many a day.

    At most --per-minute of them are asked, and so reconnect, in a minute. An old certificate is revoked only after the
    new one was seen in use. The preview says which would end before their turn, and over how many days none would.
    """
    policy = call.settings.campaigns
    pace = policy.rotation_per_minute if per_minute is None else per_minute
    if pace < 1:
        raise BadInput("--per-minute needs a number of devices, at least 1.")
    if over is not None and over <= timedelta(0):
        raise BadInput("--over needs a time that is longer than none, such as 30d.", field="over")
    if over is not None and over > _LONGEST:
        raise BadInput(f"--over takes at most {short(_LONGEST)}.", field="over")
    async with call.db.read() as session:
        where = await condition(session, which, call.now, call.settings.drift.online_within)
        ends = await devices.certificate_ends_of(session, where, LEGAL[CampaignKind.ROTATE_CERTS])
    made = rotation.plan(ends, at or call.now, over or policy.rotation_over, pace)
    rollout = rollout_of(
        call,
        canary="none",
        wave=str(max(made.quota, 1)),
        soak=timedelta(0),
        every=DAY,
        per_minute=pace,
        max_failed=max_failed,
        ack_within=policy.rotation_within,
        tail=made.days * DAY + policy.tail,
    )
    watched = short(call.settings.certificates.revoke_after)
    notes = [*_notes(made, pace), f"Each old certificate is revoked {watched} after its new one was first in use."]
    title = f"Rotation of certificates over {_counted(made.days, 'day')} for {which}"[:200]
    return await plan(call, Draft(CampaignKind.ROTATE_CERTS, title, which, rollout, {}, at, notes=notes))


def _notes(made: Rotation, pace: int) -> list[str]:
    daily = f"{_counted(made.quota, 'device')} a day for {_counted(made.days, 'day')}"
    notes = [f"{daily}, the earliest end first, at most {pace:,} a minute."]
    if made.late:
        safe = f"with --over {short(made.safe_over)} none would" if made.safe_over else "no pace would be in time"
        ends = "certificate ends before its turn is" if made.late == 1 else "certificates end before their turn is"
        notes.append(f":warning: {made.late:,} {ends} over; {safe}.")
    return notes


def _counted(count: int, one: str) -> str:
    return f"{count:,} {one}{'' if count == 1 else 's'}"
