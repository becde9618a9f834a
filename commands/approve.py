"""What was asked for, and the people who approve it."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from commands.spec import Call, Rest, command
from fleet.approval import ApprovalState, Decision, Verdict
from fleet.approval_message import buttons
from fleet.errors import BadInput
from fleet.message import Button, Form, Message, TextField
from fleet.roles import Role
from fleet.settings import Settings
from storage import approvals, fences
from storage.tables import Approval

_LISTED = 20
_BUTTONS = 5
_SAID_APART = ("rollout", "selector", "at", "starts_at", "for_s", "why")
"""Parameters of a plan that a request shows in words."""


def _reason(label: str, hint: str) -> TextField:
    return TextField(name="reason", label=label, hint=hint, several_lines=True, least=3)


def asked(approval: Approval, settings: Settings) -> Message:
    """The answer of a command that asked for a plan: what it waits for now, or that it is being done."""
    return Message(
        template="approve/asked",
        data=approvals.shown(approval, [], settings),
        buttons=(_show(approval),) if approval.state is ApprovalState.PENDING else (),
    )


def _show(approval: Approval) -> Button:
    return Button(text="Show", run=f"approve show {approval.id}")


@command("approve list", role=Role.VIEWER, aliases=("approvals",), example="approve list")
async def list_pending(call: Call) -> Message:
    """What waits for approvals, the most urgent first."""
    async with call.db.read() as session:
        found, total = await approvals.pending(session, call.now, _LISTED)
        said = await approvals.decisions_of(session, [each.id for each in found])
    rows = [approvals.shown(each, said[each.id], call.settings) for each in found]
    shows = [Button(text=f"Show: {each.title}"[:75], run=f"approve show {each.id}") for each in found[:_BUTTONS]]
    data = {"now": call.now, "total": total, "rows": rows}
    return Message(template="approve/list", data=data, buttons=tuple(shows))


@command("approve show", role=Role.VIEWER, example="approve show 7QK2ZD")
async def show(call: Call, request: str) -> Message:
    """One request: what exactly will be done, who asked, and who said what. The id's last characters are enough."""
    async with call.db.read() as session:
        found = await approvals.get(session, request)
        said = await approvals.decisions(session, found.id)
    data = {
        **approvals.shown(found, said, call.settings),
        "now": call.now,
        "params": sorted(
            (name, value) for name, value in found.params.items() if name not in _SAID_APART and value is not None
        ),
        "plan_sha256": found.plan_sha256,
        "decisions": [[each.person, each.verdict.value, each.at, each.reason] for each in said],
    }
    waits = found.state is ApprovalState.PENDING
    return Message(template="approve/show", data=data, buttons=buttons(found.id, found.type_count)[:2] if waits else ())


@command("approve yes", role=Role.OPERATOR, example="approve yes 7QK2ZD", fresh_role=True)
async def yes(call: Call, request: str, count: str = "") -> Message:
    """Approve what somebody else asked for. Where the policy wants it, type how many devices it is about."""
    deciding = _decide(call, request, Decision(Verdict.APPROVE, typed=count))
    return await deciding if count else await _or_form(deciding, call, request, _COUNT)


@command("approve no", role=Role.OPERATOR, example="approve no 7QK2ZD the line runs until six", fresh_role=True)
async def no(call: Call, request: str, reason: Rest | None = None) -> Message:
    """Reject what somebody else asked for, with the reason. The first rejection ends it."""
    deciding = _decide(call, request, Decision(Verdict.REJECT, reason=reason or ""))
    return await deciding if reason else await _or_form(deciding, call, request, _REASON)


async def _decide(call: Call, request: str, decision: Decision) -> Message:
    async with call.db.begin() as session:
        approval = await approvals.decide(session, request, decision, call.person, call.now, call.settings)
        said = await approvals.decisions(session, approval.id)
        return await _stands(call, session, approval, approvals.shown(approval, said, call.settings))


@dataclass(frozen=True, slots=True)
class _Missing:
    """What a line still lacks: the command's last word, the field to fill in, and the button that submits it."""

    word: str
    field: TextField
    submit: str


_COUNT = _Missing(
    "yes",
    TextField(name="count", label="How many devices is this about?", hint="The number alone.", most=12),
    "Approve",
)
_REASON = _Missing("no", _reason("Why not?", "Whoever asked is told, and it is kept."), "Reject")
_EMERGENCY = _Missing(
    "break-glass", _reason("Why can it not wait?", "Posted for everybody, and kept."), "Break the glass"
)


async def _or_form(work: Awaitable[Message], call: Call, request: str, missing: _Missing) -> Message:
    """The answer; or a form, if the line lacks only this. Where no form can be shown, the message says how to type."""
    try:
        return await work
    except BadInput as refused:
        if refused.field != missing.field.name:
            raise
    async with call.db.read() as session:
        approval = await approvals.get(session, request)
    run = f"approve {missing.word} {approval.id}"
    return Message(
        template="approve/form",
        data={**approvals.shown(approval, [], call.settings), "asks": missing.field.name, "word": missing.word},
        buttons=(Button(text=f"{missing.submit}…", run=run, form=True),),
        form=Form(title=missing.submit, run=run, fields=(missing.field,), submit=missing.submit),
    )


async def _stands(call: Call, session: AsyncSession, approval: Approval, data: dict[str, object]) -> Message:
    """Where it stands; while everything is stopped, a campaign that was approved comes up paused."""
    said = Message(template="approve/decided", data=data, buttons=(_show(approval),))
    return said.knowing(await fences.told(session, call.now))


@command("approve cancel", role=Role.OPERATOR, example="approve cancel 7QK2ZD")
async def cancel(call: Call, request: str) -> Message:
    """Take back what you asked for, while it waits."""
    async with call.db.begin() as session:
        approval = await approvals.cancel(session, request, call.person, call.now, call.settings)
        return await _stands(call, session, approval, approvals.shown(approval, [], call.settings))


@command("approve break-glass", role=Role.ADMIN, example="approve break-glass 7QK2ZD it leaks", fresh_role=True)
async def break_glass(call: Call, request: str, reason: Rest | None = None) -> Message:
    """Start at once what waits for approvals, alone, in an emergency. It is posted for everybody, with the reason."""
    breaking = _break(call, request, reason or "")
    return await breaking if reason else await _or_form(breaking, call, request, _EMERGENCY)


async def _break(call: Call, request: str, reason: str) -> Message:
    async with call.db.begin() as session:
        approval = await approvals.break_glass(session, request, reason, call.person, call.now, call.settings)
        return await _stands(call, session, approval, approvals.shown(approval, [], call.settings))
