"""Firmware that can be installed. `bulk firmware` brings it to devices."""

from __future__ import annotations

from typing import Annotated

from commands.spec import Call, command
from fleet.firmware import checked
from fleet.message import Button, Message
from fleet.roles import Role
from storage import audit, firmware
from storage.tables import Firmware

_LISTED = 20


@command("firmware list", role=Role.VIEWER, example="firmware list")
async def list_all(call: Call) -> Message:
    """The newest artefacts."""
    async with call.db.read() as session:
        rows = await firmware.recent(session, _LISTED)
    shown = [[each.version, each.model or "every", each.size, each.added_at, each.note] for each in rows]
    return Message(template="firmware/list", data={"rows": shown, "now": call.now})


@command("firmware show", role=Role.VIEWER, example="firmware show 2.0.1")
async def show(call: Call, version: str) -> Message:
    """One version: its artefacts, where they are, and their checksums."""
    async with call.db.read() as session:
        found = await firmware.get(session, version)
    artefacts = [each.model_dump(exclude={"version"}) for _, each in sorted(found.items())]
    return Message(template="firmware/show", data={"version": version, "artefacts": artefacts})


@command(
    "firmware add",
    role=Role.OPERATOR,
    example=f"firmware add 2.0.1 https://files.example.com/gw2-2.0.1.bin {'0f' * 32} 1048576 --model gw2",
)
async def add(
    call: Call,
    version: str,
    url: str,
    sha256: str,
    size: int,
    *,
    model: Annotated[str, "only for this model"] = "",
    note: Annotated[str, "what people should know of it"] = "",
) -> Message:
    """Keep an artefact: where devices fetch it, its SHA-256 and its size in bytes. It never changes afterwards.

    Without `--model` it is for every model that has none of its own.
    """
    digest = checked(version, model, url, sha256, size)
    kept = Firmware(
        version=version,
        model=model,
        url=url,
        sha256=digest,
        size=size,
        note=note,
        added_by=call.person.id,
        added_at=call.now,
    )
    async with call.db.begin() as session:
        if new := await firmware.add(session, kept):
            told = {"model": model, "url": url, "sha256": digest, "size": size}
            await audit.add(session, call.now, call.person.id, "firmware.added", version, told)
    return Message(
        template="firmware/added",
        data={"version": version, "model": model, "sha256": digest, "size": size, "new": new},
        buttons=(Button(text="Show it", run=f"firmware show {version}"),),
    )
