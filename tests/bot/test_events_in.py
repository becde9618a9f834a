"""POST /events: a telemetry store confirms exports, and only what it signed is believed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy import select
from standardwebhooks import Webhook

from bot import events_in
from fleet.lifecycle import DeviceStatus
from fleet.settings import DatabaseSettings
from storage import lifecycle
from storage.db import Database
from storage.tables import decommissions
from tests import build
from tests.conftest import NOW, settings_for

SECRET = "whsec_c2VjcmV0LW9mLXRoZS10ZWxlbWV0cnktc3RvcmU="


@pytest.fixture
async def db(sqlite_url: str) -> AsyncIterator[Database]:
    """Two devices wait for their exports."""
    db = Database(DatabaseSettings.model_validate({"url": sqlite_url}))
    settings = settings_for(web={"enabled": True}, lifecycle={"telemetry_store_secret": SECRET})
    await build.fleet(db, NOW, [build.device(f"dev-{n}", NOW) for n in (1, 2)])
    async with db.begin() as session:
        given = (session, ["dev-1", "dev-2"], DeviceStatus.DECOMMISSIONED, "U0ANN", "old", NOW, settings)
        assert (await lifecycle.move(*given)).waiting == ["dev-1", "dev-2"]
    yield db
    await db.close()


@pytest.fixture
async def url(db: Database) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post(events_in.PATH, events_in.receiver(db, SECRET, lambda: NOW))
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}{events_in.PATH}"
    await runner.cleanup()


async def post(url: str, told: object, **headers: str) -> tuple[int, dict[str, object]]:
    """Post it signed; `headers` overrides what was signed."""
    body, at = json.dumps(told), datetime.now(UTC)
    signed = {"webhook-id": "m-1", "webhook-timestamp": str(int(at.timestamp()))}
    signed["webhook-signature"] = Webhook(SECRET).sign("m-1", at, body)
    async with aiohttp.ClientSession() as session:
        async with session.post(url, data=body, headers={**signed, **headers}) as answer:
            return answer.status, await answer.json()


async def states(db: Database) -> dict[str, tuple[str, str]]:
    async with db.read() as session:
        rows = (await session.execute(select(decommissions))).all()
    return {row.device_id: (row.state.value, row.export_ref) for row in rows}


async def test_a_confirmed_export_is_taken_once_for_one_device_or_many(db: Database, url: str) -> None:
    one = {"type": "export.confirmed", "subject": "dev-1", "data": {"export_id": "s3://archive/1"}}
    assert await post(url, one) == (200, {"taken": True, "confirmed": ["dev-1"]})
    assert await post(url, one) == (200, {"taken": True, "confirmed": []})
    assert await states(db) == {"dev-1": ("confirmed", "s3://archive/1"), "dev-2": ("waiting", "")}
    many = {"type": "export.confirmed", "data": {"device_ids": ["dev-1", "dev-2", "dev-9"]}}
    assert await post(url, many) == (200, {"taken": True, "confirmed": ["dev-2"]})


async def test_what_is_not_signed_or_cannot_be_read_changes_nothing(db: Database, url: str) -> None:
    told = {"type": "export.confirmed", "subject": "dev-1"}
    for wrong in ({"webhook-id": "m-2"}, {"webhook-signature": "v1,AAAA"}, {"webhook-timestamp": "1"}):
        assert (await post(url, told, **wrong))[0] == 401
    assert (await post(url, {"subject": "dev-1"}))[0] == 400
    assert (await post(url, ["export.confirmed"]))[0] == 400
    assert (await post(url, {"type": "export.confirmed", "data": {"device_ids": "dev-1"}}))[0] == 400
    status, answer = await post(url, {"type": "billing.started", "subject": "dev-1"})
    assert (status, answer["taken"]) == (200, False)
    assert {state for state, _ in (await states(db)).values()} == {"waiting"}
