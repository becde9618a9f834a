"""Dashboards: pages elsewhere about some of the devices, linked there, and followed when a tag is renamed."""

from __future__ import annotations

from typing import Annotated

from commands.spec import Call, command
from fleet.errors import BadInput
from fleet.message import Message
from fleet.roles import Role
from fleet.selector import Selector
from storage import audit, dashboards

_LISTED = 40


@command("dashboard list", role=Role.VIEWER, example="dashboard list")
async def list_all(call: Call) -> Message:
    """The dashboards, and which devices each is about."""
    async with call.db.read() as session:
        rows = await dashboards.every(session)
    shown = [[each.name, each.url, each.selector, each.note] for each in rows[:_LISTED]]
    return Message(template="dashboard/list", data={"total": len(rows), "rows": shown})


@command("dashboard add", role=Role.OPERATOR, example="dashboard add pumps https://grafana.example.com/d/7 model:pump")
async def add(
    call: Call, name: str, url: str, which: Selector, *, note: Annotated[str, "what people should know of it"] = ""
) -> Message:
    """Keep a dashboard, or change one. It is linked wherever one of its devices is shown."""
    if not url.startswith(("https://", "http://")) or len(url) > 2000:
        raise BadInput(
            f"{url[:100]} is no address of a page. It begins with https:// and has at most 2,000 characters."
        )
    if not 0 < len(name) <= 128:
        raise BadInput(f"The name of a dashboard has 1 to 128 characters; this one has {len(name)}.")
    async with call.db.begin() as session:
        await dashboards.add(session, name, url, which, note, call.person.id, call.now)
        told = {"url": url, "selector": str(which)}
        await audit.add(session, call.now, call.person.id, "dashboard.added", name, told)
    return Message(template="dashboard/added", data={"name": name, **told})


@command("dashboard remove", role=Role.OPERATOR, example="dashboard remove pumps")
async def remove(call: Call, name: str) -> Message:
    """Forget a dashboard."""
    async with call.db.begin() as session:
        await dashboards.remove(session, name)
        await audit.add(session, call.now, call.person.id, "dashboard.removed", name)
    return Message(template="dashboard/removed", data={"name": name})
