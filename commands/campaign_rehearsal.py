"""Playing a campaign through before anything is sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from sqlalchemy.ext.asyncio import AsyncSession

from commands.spec import Call, command
from fleet.errors import BadInput
from fleet.message import Message
from fleet.rehearsal import Behaviour
from fleet.roles import Role
from fleet.rollout import part
from storage import campaign_plan, campaigns, rehearsals
from storage.tables import Campaign

_NAMED = 15  # models, where the one that was typed is none of them


@command("bulk rehearse", role=Role.OPERATOR, example="bulk rehearse 7QK2ZD --offline 15% --failing 3% --slowest 20s")
async def rehearse(
    call: Call,
    campaign: str,
    *,
    offline: Annotated[str | None, "the part of the devices that are offline; without it those that are now"] = None,
    failing: Annotated[str | None, "the part of the devices that fail"] = None,
    slowest: Annotated[timedelta, "how long the slowest device takes to answer"] = timedelta(seconds=5),
    rejecting: Annotated[str, "a model of which every device says no"] = "",
) -> Message:
    """Play a campaign through with simulated devices: how long it would take, and which gate would stop it.

    Its real targets are taken, and no device hears of it. Without --offline those are offline that are now;
    --rejecting is a model of which every device says no. What is not played is said with the result.
    """
    behaviour = Behaviour(
        offline=None if offline is None else part(offline, "--offline"),
        failing=0.0 if failing is None else part(failing, "--failing"),
        slowest=slowest,
        rejecting=rejecting,
    )
    async with call.db.begin() as session:
        row = await campaigns.get(session, campaign, lock=True)
        await _refuse_model(session, row, rejecting)
        await rehearsals.ask(session, row.id, behaviour, call.person.id, call.channel, call.now)
    return Message(template="bulk/rehearsing", data={"title": row.title})


async def _refuse_model(session: AsyncSession, row: Campaign, model: str) -> None:
    """Raises BadInput if no device of the campaign is of that model: the rehearsal would show nothing of it."""
    there = await campaign_plan.models(session, row.id) if model else ()
    if model and model not in there:
        named = ", ".join(each or "(none known)" for each in there[:_NAMED])
        raise BadInput(
            f"--rejecting {model}: no device of campaign {row.id[-6:]} is of that model. Its models are {named}.",
            field="rejecting",
        )
