"""Stop-all: while a fence stands, no replica sends anything to any device. A row, looked at before every send."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, func, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.errors import Refused
from fleet.operation import OperationKind
from storage import ids
from storage.db import wake
from storage.schedule import SWEEP
from storage.tables import Fence, fences, operations

STANDING = text("fences.lifted_at IS NULL")  # as the partial indexes have them
_SENT = text("operations.state = 'sent'")
_QUEUED = text("operations.state = 'queued'")

RETAINED = (OperationKind.CONFIG, OperationKind.FIRMWARE)
"""What the broker keeps, and gives to a device whenever it connects."""


def none() -> ColumnElement[bool]:
    """The condition that nothing is stopped, for the statement that claims what is sent."""
    return ~select(fences.c.id).where(STANDING).exists()


async def standing(session: AsyncSession) -> Fence | None:
    return (await session.scalars(select(Fence).where(STANDING).limit(1))).first()


async def refuse(session: AsyncSession, what: str) -> None:
    """Raises Refused if everything is stopped, so that nothing can be `what`, such as "resumed"."""
    if fence := await standing(session):
        raise Refused(
            f"{_who(fence)} stopped everything at {fence.put_at:%Y-%m-%d %H:%M} UTC, so nothing can be {what} now. "
            "/fleet bulk go-on ends that."
        )


async def told(session: AsyncSession, now: datetime) -> dict[str, Any]:
    """What `stopped.j2` needs to say that an order waits; nothing while nothing is stopped."""
    fence = await standing(session)
    return {"stopped_by": fence.put_by, "stopped_at": fence.put_at, "now": now} if fence else {}


async def put(session: AsyncSession, by: str, why: str, now: datetime) -> Fence:
    """Stop everything. Raises Refused if it is stopped already, naming by whom."""
    if before := await standing(session):
        raise _already(before)
    fence = Fence(id=ids.new("fe", now), put_by=by, put_at=now, why=why)
    session.add(fence)
    try:
        await session.flush()
    except IntegrityError:
        raise Refused("Somebody else stopped everything in this very moment.") from None
    wake(session, "fences")
    return fence


def why(fence: Fence) -> str:
    """For a campaign that it pauses."""
    return f"Everything was stopped ({fence.why})." if fence.why else "Everything was stopped."


def _already(fence: Fence) -> Refused:
    return Refused(f"{_who(fence)} has stopped everything already. /fleet bulk go-on ends that.")


def _who(fence: Fence) -> str:
    return f"<@{fence.put_by}>" if fence.put_by[:1] in ("U", "W") else fence.put_by


async def lift(session: AsyncSession, by: str, now: datetime) -> Fence:
    """Let it go on. Raises Refused if nothing is stopped."""
    if (fence := await standing(session)) is None:
        raise Refused("Nothing is stopped, so there is nothing to let go on.")
    statement = update(fences).where(fences.c.id == fence.id, STANDING).values(lifted_by=by, lifted_at=now)
    await session.execute(statement)
    await session.refresh(fence)
    wake(session, "operations", "campaigns", SWEEP)
    return fence


@dataclass(frozen=True, slots=True)
class OutThere:
    """What no fence reaches any more, and what it holds back."""

    retained: int
    """Orders at the broker that a device has not answered: it gets them when it connects."""
    commands: int
    """Commands that have left, and wait at the broker or are with a device that has not answered."""
    leaving: int
    """Taken up to be sent, and not known to have left: within moments they are one of the others."""
    held_back: int


async def out_there(session: AsyncSession, now: datetime) -> OutThere:
    by_kind = select(operations.c.kind, func.count()).where(_SENT).group_by(operations.c.kind)
    sent: dict[OperationKind, int] = dict((await session.execute(by_kind)).all())
    retained = sum(count for kind, count in sent.items() if kind in RETAINED)
    claimed = func.count(case((operations.c.claimed_until > now, 1)))
    queued, leaving = (await session.execute(select(func.count(), claimed).where(_QUEUED))).one()
    return OutThere(retained, sum(sent.values()) - retained, leaving, queued - leaving)


async def tell(session: AsyncSession, fence: Fence, numbers: OutThere) -> bool:
    """Note what its message shows. False if the fence was lifted meanwhile: then its message says that."""
    statement = update(fences).where(fences.c.id == fence.id, STANDING).values(told=asdict(numbers))
    return (await session.scalars(statement.returning(fences.c.id))).first() is not None


def message_key(fence: Fence) -> str:
    """The key of its message in the outbox."""
    return f"fence:{fence.id}"
