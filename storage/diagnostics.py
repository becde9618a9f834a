"""Diagnostic requests and their answers, a batch at a time. Every move is a compare-and-set from the states allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine
from ulid import ULID

from fleet.diagnostics import TAKES_ANSWERS, UNSETTLED, DiagnosticKind, RequestState
from fleet.errors import NotFound
from fleet.operation import OperationKind
from storage import batch, diagnostic_chunks, operations
from storage.db import AnyRow, earliest
from storage.tables import DiagnosticRequest, devices, diagnostics

_DUE = text("diagnostics.due_at IS NOT NULL")  # as the partial index has it
_WAITING = text("diagnostics.state = 'waiting'")
_TAIL = 16  # characters of a ULID that are random


def new_id(prefix: str, now: datetime) -> str:
    """`diag-20260319-<16 characters>`: the day for people, the tail of a ULID for uniqueness."""
    return f"{prefix}-{now:%Y%m%d}-{str(ULID.from_datetime(now))[-_TAIL:]}"


def message_key(request_id: str) -> str:
    """The outbox key of a request's message."""
    return f"diag:{request_id}"


async def ask(session: AsyncSession, requests: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Insert requests (columns of `diagnostics`), and an operation for each that is ASKED."""
    if not requests:
        return
    empty: dict[str, Any] = {"result": {}, "chunks": 0, "size": 0, "fault": "", "approximate": False, "text": ""}
    await session.execute(insert(diagnostics), [{**empty, **each} for each in requests])
    await operations.add(session, [_operation(each, now) for each in requests if each["state"] is RequestState.ASKED])


def _operation(request: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    return {
        "id": request["id"],
        "kind": OperationKind(request["kind"].value),
        "device_id": request["device_id"],
        "requested_by": request["requested_by"],
        "created_at": now,
        "due_at": now,
        "expires_at": request["expires_at"],
        "params": request["params"],
    }


async def sent(session: AsyncSession, ids: Sequence[str], now: datetime, due_at: datetime) -> None:
    """The broker has these. Their time begins now, unless an answer was faster."""
    given = batch.texts(session)
    asked = diagnostics.c.state == RequestState.ASKED
    statement = (
        update(diagnostics)
        .where(diagnostics.c.id == given.c.value)
        .values(
            sent_at=func.coalesce(diagnostics.c.sent_at, batch.moment(now)),
            due_at=case((asked, batch.moment(due_at)), else_=diagnostics.c.due_at),
        )
    )
    await session.execute(statement, {"given": batch.dump(ids)})


COLUMNS = (
    *(diagnostics.c.id, diagnostics.c.kind, diagnostics.c.device_id, diagnostics.c.model, diagnostics.c.state),
    *(diagnostics.c.params, diagnostics.c.requested_by, diagnostics.c.channel, diagnostics.c.thread_ts),
    *(diagnostics.c.fan_out_id, diagnostics.c.created_at, diagnostics.c.expires_at, diagnostics.c.due_at),
    *(diagnostics.c.sent_at, diagnostics.c.answered_at, diagnostics.c.total_chunks, diagnostics.c.chunks),
    *(diagnostics.c.size, diagnostics.c.fault, diagnostics.c.rtt_ms, diagnostics.c.approximate, diagnostics.c.skew_s),
    diagnostics.c.result,
)


async def lock(session: AsyncSession, ids: Sequence[str]) -> dict[str, AnyRow]:
    """These requests by id, all columns but `text`; nobody else moves them until the transaction ends.

    Two replicas that each store a chunk of one answer would otherwise both miss that it is complete.
    """
    given = batch.texts(session)
    statement = (
        select(*COLUMNS)
        .join(given, given.c.value == diagnostics.c.id)
        .order_by(diagnostics.c.id)
        .with_for_update(of=diagnostics)
    )
    rows = await session.execute(statement, {"given": batch.dump(ids)})
    return {row.id: row for row in rows}


_WRITTEN: dict[str, TypeEngine[Any]] = {
    "id": batch.TEXT,
    "before": batch.TEXT,
    "seen": batch.INTEGER,
    "state": batch.TEXT,
    "due_at": batch.MOMENT,
    "answered_at": batch.MOMENT,
    "total_chunks": batch.INTEGER,
    "chunks": batch.INTEGER,
    "size": batch.INTEGER,
    "fault": batch.TEXT,
    "rtt_ms": batch.FLOAT,
    "approximate": batch.INTEGER,
    "skew_s": batch.FLOAT,
    "result": batch.TEXT,
    "text": batch.TEXT,
}


async def write(session: AsyncSession, changes: Sequence[Mapping[str, Any]]) -> set[str]:
    """Move requests from the state `before` with `seen` chunks; returns the ids of those that still stood so.

    Each has id, before, seen, state, due_at, total_chunks, chunks, size, fault; and may have answered_at, rtt_ms,
    approximate, skew_s, result (JSON text) and text, which otherwise stay as they are.
    """
    if not changes:
        return set()
    given = batch.rows(session, _WRITTEN)
    kept = {
        name: func.coalesce(given.c[name], diagnostics.c[name]) for name in ("answered_at", "rtt_ms", "skew_s", "text")
    }
    stood = and_(diagnostics.c.state == given.c.before, diagnostics.c.chunks == given.c.seen)
    statement = (
        update(diagnostics)
        .where(diagnostics.c.id == given.c.id, batch.and_not_guessed(stood))
        .values(
            state=given.c.state,
            due_at=given.c.due_at,
            total_chunks=given.c.total_chunks,
            chunks=given.c.chunks,
            size=given.c.size,
            fault=given.c.fault,
            approximate=case(
                (given.c.approximate.is_(None), diagnostics.c.approximate), else_=given.c.approximate == 1
            ),
            result=case((given.c.result.is_(None), diagnostics.c.result), else_=_as_json(session, given.c.result)),
            **kept,
        )
        .returning(diagnostics.c.id)
    )
    return set(await session.scalars(statement, {"given": batch.dump(changes)}))


def _as_json(session: AsyncSession, value: Any) -> Any:
    """JSON text as what the column holds: text on SQLite, `json` on PostgreSQL."""
    column = diagnostics.c.result.type
    if session.get_bind().dialect.name == "sqlite":
        return func.json(value, type_=column)
    return value.op("::")(text("json"))


async def due(session: AsyncSession, now: datetime, limit: int) -> Sequence[AnyRow]:
    """Requests whose time ran out, or whose last chunk is here: the columns of `lock`, the longest due first."""
    statement = select(*COLUMNS).where(_DUE, diagnostics.c.due_at <= now).order_by(diagnostics.c.due_at)
    return (await session.execute(statement.limit(limit))).all()


async def next_due(session: AsyncSession) -> datetime | None:
    """When the next request is to be looked at."""
    return await earliest(session, select(func.min(diagnostics.c.due_at)).where(_DUE))


async def any_waiting(session: AsyncSession) -> bool:
    """True if a request waits for its device to come back."""
    return await session.scalar(select(diagnostics.c.id).where(_WAITING).limit(1)) is not None


async def returned(
    session: AsyncSession, now: datetime, expires_at: datetime, due_at: datetime, limit: int
) -> Sequence[AnyRow]:
    """Ask the devices that were heard since somebody wanted to know. Returns id, device_id and what else is shown."""
    heard = (
        select(diagnostics.c.id)
        .join(devices, devices.c.device_id == diagnostics.c.device_id)
        .where(_WAITING, devices.c.last_seen_at > diagnostics.c.created_at)
        .limit(limit)
        .with_for_update(of=diagnostics, skip_locked=True)
        .cte("heard")
    )
    statement = (
        update(diagnostics)
        .where(diagnostics.c.id == heard.c.id, _WAITING)
        .values(state=RequestState.ASKED, expires_at=expires_at, due_at=due_at)
        .returning(*COLUMNS)
    )
    rows = (await session.execute(statement)).all()
    await operations.add(session, [_operation(row._asdict(), now) for row in rows])
    return rows


async def expired(session: AsyncSession, ids: Sequence[str]) -> Sequence[AnyRow]:
    """These could not be sent in time. Returns those that somebody still waited for."""
    given = batch.texts(session)
    statement = (
        update(diagnostics)
        .where(diagnostics.c.id == given.c.value, batch.and_not_guessed(diagnostics.c.state.in_(UNSETTLED)))
        .values(state=RequestState.EXPIRED, due_at=None)
        .returning(*COLUMNS)
    )
    return (await session.execute(statement, {"given": batch.dump(ids)})).all()


async def get(session: AsyncSession, request_id: str) -> DiagnosticRequest:
    """One request with its text. Raises NotFound."""
    if found := await session.get(DiagnosticRequest, request_id):
        return found
    raise NotFound(
        f"There is no diagnostic request called {request_id}. /fleet diag history <device> lists those of a device."
    )


async def of_fan_out(session: AsyncSession, fan_out_id: str, limit: int, after: str = "") -> Sequence[AnyRow]:
    """The requests of one question to many, in order of device: the columns of `lock`."""
    statement = select(*COLUMNS).where(diagnostics.c.fan_out_id == fan_out_id, diagnostics.c.device_id > after)
    return (await session.execute(statement.order_by(diagnostics.c.device_id).limit(limit))).all()


async def counts(session: AsyncSession, fan_out_id: str) -> dict[RequestState, int]:
    """How many requests of one question to many are in each state."""
    statement = (
        select(diagnostics.c.state, func.count())
        .where(diagnostics.c.fan_out_id == fan_out_id)
        .group_by(diagnostics.c.state)
    )
    return dict((await session.execute(statement)).all())


async def unsent(session: AsyncSession, fan_out_id: str) -> int:
    """How many requests of one question to many have not left yet: those are waited for before they are asked."""
    statement = select(func.count()).where(
        diagnostics.c.fan_out_id == fan_out_id,
        diagnostics.c.state == RequestState.ASKED,
        diagnostics.c.sent_at.is_(None),
    )
    return await session.scalar(statement) or 0


async def prune(session: AsyncSession, before: datetime, limit: int) -> int:
    """Forget up to `limit` requests that were made before, with all that belongs to them. Returns how many went."""
    old = (
        select(diagnostics.c.id)
        .where(and_(diagnostics.c.created_at < before, diagnostics.c.state.not_in(UNSETTLED)))
        .order_by(diagnostics.c.created_at)
        .limit(limit)
    )
    ids = list(await session.scalars(old))
    if ids:
        await diagnostic_chunks.drop(session, ids)
        given = batch.texts(session)
        statement = delete(diagnostics).where(diagnostics.c.id.in_(select(given.c.value)))
        await session.execute(statement, {"given": batch.dump(ids)})
    return len(ids)


def takes_answers(row: AnyRow, now: datetime) -> bool:
    """True while an answer to this request is still taken: a log only until it expires."""
    return row.state in TAKES_ANSWERS and (row.kind is not DiagnosticKind.LOGS or now <= row.expires_at)
