"""The Home tab, part by part: what waits for this person, and the fleet in numbers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from commands import fleet
from commands.spec import Call
from fleet.alert import AlertState
from fleet.approval import Decision, Recorded, Verdict, decide
from fleet.approval_message import buttons
from fleet.campaign import BEGUN
from fleet.message import Button, Message
from fleet.roles import Role
from storage import alerts, approvals, campaigns
from storage.tables import Approval, ApprovalDecision

_REQUESTS = 10
_LOOKED_AT = 100
_ALERTS = 10
_CAMPAIGNS = 10
_BUTTONS = 5

Part = Callable[[Call], Awaitable[list[Message]]]


async def parts(call: Call) -> list[Message]:
    """Everything on it, from the top. A person without a role sees only that."""
    if not call.person.role.reaches(Role.VIEWER):
        return [Message(template="home/nothing", data={"why": call.person.why})]
    return [message for part in _PARTS for message in await part(call)]


async def _requests(call: Call) -> list[Message]:
    """What waits for this person's decision, each with its buttons, and what they asked for themselves."""
    async with call.db.read() as session:
        found, total = await approvals.pending(session, call.now, _LOOKED_AT)
        said = await approvals.decisions_of(session, [each.id for each in found])
    theirs = [each for each in found if _may_decide(call, each, said[each.id])]
    own = [each for each in found if each.requested_by == call.person.id]
    head = {"waiting": len(theirs), "shown": len(theirs[:_REQUESTS]), "total": total}
    to_decide = [
        Message(
            template="home/request",
            data={**approvals.shown(each, said[each.id], call.settings), "now": call.now},
            buttons=buttons(each.id, each.type_count),
        )
        for each in theirs[:_REQUESTS]
    ]
    return [Message(template="home/requests", data=head), *to_decide, *_own(call, own, said)]


def _may_decide(call: Call, approval: Approval, said: Sequence[ApprovalDecision]) -> bool:
    """True if a rejection by this person would count: what they may not decide, they are not asked."""
    no = Decision(Verdict.REJECT, reason="-")
    decided = {each.person: each.verdict for each in said}
    return isinstance(decide(approval.request, decided, no, call.person, call.now), Recorded)


def _own(call: Call, own: Sequence[Approval], said: Mapping[str, Sequence[ApprovalDecision]]) -> list[Message]:
    if not own:
        return []
    rows = [approvals.shown(each, said[each.id], call.settings) for each in own[:_REQUESTS]]
    takes_back = [
        Button(text=f"Take back: {each.title}"[:75], run=f"approve cancel {each.id}") for each in own[:_BUTTONS]
    ]
    data = {"rows": rows, "count": len(own), "now": call.now}
    return [Message(template="home/own", data=data, buttons=tuple(takes_back))]


async def _alerts(call: Call) -> list[Message]:
    """The alerts that this person took, and those that nobody has taken."""
    async with call.db.read() as session:
        rows, total = await alerts.for_person(session, call.person.id, _ALERTS)
    may = call.person.role.reaches(Role.OPERATOR)
    return [
        Message(
            template="home/alerts",
            data={
                "now": call.now,
                "total": total,
                "rows": [
                    [row.id[-6:], alerts.about(row), row.kind.value.replace("_", " "), row.state.value, row.opened_at]
                    for row in rows
                ],
            },
            buttons=tuple(
                Button(text=f"Acknowledge {alerts.about(row)}"[:75], run=f"alert ack {row.id}")
                for row in rows[:_BUTTONS]
                if may and row.state is AlertState.OPEN
            ),
        )
    ]


async def _campaigns(call: Call) -> list[Message]:
    """What is being done to many devices just now, whoever asked for it."""
    async with call.db.read() as session:
        found = [each for each in await campaigns.recent(session, _CAMPAIGNS) if each.status in BEGUN]
    rows = [[each.id[-6:], each.title, each.status.value, each.wave, each.waves, each.targets] for each in found]
    shows = [Button(text=f"{each.id[-6:]} {each.title}"[:75], run=f"bulk show {each.id}") for each in found[:_BUTTONS]]
    return [Message(template="home/campaigns", data={"rows": rows}, buttons=tuple(shows))] if found else []


async def _numbers(call: Call) -> list[Message]:
    return [await fleet.status(call)]


_PARTS: tuple[Part, ...] = (_requests, _alerts, _campaigns, _numbers)
