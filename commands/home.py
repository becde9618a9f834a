"""The Home tab, part by part: what waits for this person, and the fleet in numbers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from commands import fleet
from commands.spec import Call
from fleet.alert import AlertState
from fleet.approval import Decision, Recorded, Verdict, decide
from fleet.approval_message import buttons
from fleet.campaign import BEGUN
from fleet.message import Button, Message
from fleet.roles import Role
from storage import alerts, approvals, campaigns
from storage.tables import Approval

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
        said = await approvals.decisions(session, [each.id for each in found])
    by_request: dict[str, dict[str, Verdict]] = {each.id: {} for each in found}
    for one in said:
        by_request[one.approval_id][one.person] = one.verdict
    theirs = [each for each in found if _may_decide(call, each, by_request[each.id])]
    own = [each for each in found if each.requested_by == call.person.id]
    head = {"waiting": len(theirs), "shown": len(theirs[:_REQUESTS]), "total": total}
    made = [Message(template="home/requests", data=head)]
    for each in theirs[:_REQUESTS]:
        data = {**approvals.shown(each, [one for one in said if one.approval_id == each.id]), "now": call.now}
        made.append(Message(template="home/request", data=data, buttons=buttons(each.id, each.type_count)))
    if own:
        rows = [approvals.shown(each, [one for one in said if one.approval_id == each.id]) for each in own]
        takes_back = [Button(text=f"Take back: {each.title}"[:75], run=f"approve cancel {each.id}") for each in own]
        data = {"rows": rows[:_REQUESTS], "count": len(own), "now": call.now}
        made.append(Message(template="home/own", data=data, buttons=tuple(takes_back[:_BUTTONS])))
    return made


def _may_decide(call: Call, approval: Approval, decided: dict[str, Verdict]) -> bool:
    """True if a rejection by this person would count: what they may not decide, they are not asked."""
    no = Decision(Verdict.REJECT, reason="-")
    return isinstance(decide(approval.request, decided, no, call.person, call.now), Recorded)


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
    shows = [Button(text=f"Show: {each.title}"[:75], run=f"bulk show {each.id}") for each in found[:_BUTTONS]]
    return [Message(template="home/campaigns", data={"rows": rows}, buttons=tuple(shows))] if found else []


async def _numbers(call: Call) -> list[Message]:
    return [await fleet.status(call)]


_PARTS: tuple[Part, ...] = (_requests, _alerts, _campaigns, _numbers)
