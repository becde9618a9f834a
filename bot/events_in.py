"""POST /events: what other systems tell Muster, as CloudEvents signed as Standard Webhooks say.

`export.confirmed` says that a telemetry store holds the data of a device: its `subject`, or the `device_ids` of its
data; `export_id` is what the store calls its copy. A repetition changes nothing. Other types are taken and left.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog
from aiohttp import web
from pydantic import BaseModel, Field, ValidationError

from bot.webhooks import verified
from fleet.decommission import ExportState
from fleet.event import EXPORT_CONFIRMED
from storage import audit, decommissions
from storage.db import Database

log = structlog.get_logger(__name__)

PATH = "/events"
STORE = "telemetry store"
_MOST = 10_000


class _Data(BaseModel):
    device_ids: tuple[str, ...] = Field(default=(), max_length=_MOST)
    export_id: str = Field(default="", max_length=256)


class _Event(BaseModel):
    type: str
    subject: str = ""
    data: _Data = _Data()


def receiver(
    db: Database, secret: str, now: Callable[[], datetime]
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The handler of PATH: 401 for what is not signed, 400 for what cannot be read."""

    async def receive(request: web.Request) -> web.StreamResponse:
        told = verified(await request.read(), request.headers, secret)
        if told is None:
            log.warning("an event was refused: not signed, or older than five minutes", remote=request.remote)
            return web.json_response({"error": "invalid signature"}, status=401)
        try:
            event = _Event.model_validate(told)
        except ValidationError as wrong:
            return web.json_response({"error": str(wrong.errors(include_url=False, include_input=False))}, status=400)
        if event.type != EXPORT_CONFIRMED:
            return web.json_response({"taken": False, "why": f"Muster does nothing with {event.type}."})
        return web.json_response({"taken": True, "confirmed": await _confirm(db, event, now())})

    return receive


async def _confirm(db: Database, event: _Event, now: datetime) -> list[str]:
    """The devices that waited for it."""
    device_ids = event.data.device_ids or (event.subject,)
    async with db.begin() as session:
        ref = event.data.export_id
        confirmed = await decommissions.settle(session, device_ids, ExportState.CONFIRMED, STORE, now, ref=ref)
        if confirmed:
            told = {"devices": confirmed, "export_id": ref}
            await audit.add(session, now, STORE, EXPORT_CONFIRMED, audit.subject_of(confirmed), told)
    return confirmed
