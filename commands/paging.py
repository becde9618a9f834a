"""Lists that are read a page at a time: the devices they are about, and the buttons that turn the pages."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from commands.spec import Call
from fleet.message import Button
from fleet.selector import Selector
from storage import groups
from storage.pages import Page
from storage.selection import Condition, condition

_LONGEST_LINE = 2000  # the value of a button in Slack


async def meant(call: Call, session: AsyncSession, which: Selector | None) -> Condition | None:
    """The condition on devices of a list that may be narrowed. Raises NotFound for a group that is none."""
    if which is None:
        return None
    await groups.refuse_unknown(session, which)
    return await condition(session, which, call.now, call.settings.drift.online_within)


def shown(page: Page, which: Selector | None) -> dict[str, Any]:
    """What a template says of the page."""
    numbers = {"total": page.total, "first": page.skipped + 1, "last": page.skipped + len(page.rows)}
    return {**numbers, "selector": str(which) if which else ""}


def turning(command: str, which: Selector | None, page: Page, key: str) -> tuple[Button, ...]:
    """The buttons to the pages beside this one. A page that fell empty meanwhile leads back to the first one."""
    rows, rest, lines = page.rows, f" {which}" if which else "", []
    if rows and page.skipped:
        lines.append(("Previous page", f"{command} --before {getattr(rows[0], key)}{rest}"))
    if rows and page.skipped + len(rows) < page.total:
        lines.append(("Next page", f"{command} --after {getattr(rows[-1], key)}{rest}"))
    if not rows and page.total:
        lines.append(("First page", f"{command}{rest}"))
    return tuple(Button(text=text, run=run, replaces=True) for text, run in lines if len(run) <= _LONGEST_LINE)
