"""`muster doctor`: looks at everything that Muster needs, and says what to mend.

Each check gives findings; a part that cannot be reached is one finding, and the other parts are looked at all the same.
Exit codes: 0 all is fine, 1 something must be mended before Muster works, 2 it works, with what is warned of.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime

from bot.doctor import approvals, audit, broker, certificates, registry, slack
from bot.doctor.finding import Finding, Level, fine, problem
from fleet.settings import Settings

__all__ = ["Finding", "Level", "examine", "exit_code"]


async def examine(settings: Settings, now: Callable[[], datetime], *, slack_too: bool = True) -> AsyncIterator[Finding]:
    """The findings, as they are made. `slack_too=False` leaves Slack out: there is no token to ask it with."""
    async for finding in registry.check(settings.database):
        yield finding
    for finding in audit.check(settings.audit):
        yield finding
    for finding in approvals.check(settings):
        yield finding
    async for finding in broker.check(settings.mqtt):
        yield finding
    for finding in certificates.check(settings, now()):
        yield finding
    if slack_too:
        async for finding in slack.check(settings, now):
            yield finding


def of_settings(name: str, fault: str) -> Finding:
    """What reading the settings file gave; `fault` is empty if it can be used."""
    return (
        problem("settings", fault, f"Mend {name}, then ask again.")
        if fault
        else fine("settings", f"everything in {name} can be used")
    )


def exit_code(findings: Sequence[Finding]) -> int:
    levels = {each.level for each in findings}
    return 1 if Level.PROBLEM in levels else 2 if Level.WARNING in levels else 0
