"""Events over HTTP, against a real server that takes them, answers 500 or 429, hangs, or is not there."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import pytest
from aiohttp import web
from standardwebhooks import Webhook

from bot.webhooks import Webhooks, verified
from fleet.settings import EndpointSettings, EventSettings
from jobs.ports import Notice, Taken, Untaken

SECRET = "whsec_c2VjcmV0LW9mLXRoZS10ZWxlbWV0cnktc3RvcmU="
NOW = datetime(2026, 3, 19, 14, 30, tzinfo=UTC)
NOTICE = Notice("ev-1", 7, "billing.started", "dev-1", NOW, {"site": "Tromsø"})


@dataclass
class Server:
    """Answers each POST with the next of `answers`: a status, or a status and headers; -1 hangs."""

    url: str = ""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.got.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        status, headers = self.answers.pop(0) if self.answers else (204, {})
        if status < 0:
            await asyncio.Event().wait()
        return web.Response(status=status, headers=headers)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_post("/events", server.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
    yield server
    await runner.cleanup()


async def tell(url: str, **settings: object) -> Taken | Untaken:
    async with aiohttp.ClientSession() as session:
        webhooks = Webhooks(session, EventSettings.model_validate({"source": "plant7", **settings}))
        endpoint = EndpointSettings.model_validate({"name": "x", "url": url, "secret": SECRET})
        return await webhooks.tell(endpoint, NOTICE, NOW)


async def test_an_event_is_a_signed_cloud_event(server: Server) -> None:
    assert await tell(server.url) == Taken()
    [(headers, body)] = server.got
    assert headers["content-type"] == "application/cloudevents+json"
    assert json.loads(body) == {
        "specversion": "1.0",
        "id": "ev-1",
        "source": "plant7",
        "type": "billing.started",
        "subject": "dev-1",
        "time": "2026-03-19T14:30:00Z",
        "datacontenttype": "application/json",
        "sequence": "7",
        "data": {"site": "Tromsø"},
    }
    signed = f"ev-1.{int(NOW.timestamp())}.".encode() + body
    digest = hmac.new(base64.b64decode(SECRET[6:]), signed, hashlib.sha256).digest()
    assert headers["webhook-id"] == "ev-1"
    assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (500, {}, Untaken("HTTP 500")),
        (400, {"Retry-After": "10"}, Untaken("HTTP 400")),
        (302, {"Location": "http://127.0.0.1:1/"}, Untaken("HTTP 302")),
        (410, {}, Untaken("HTTP 410", gone=True)),
        (429, {"Retry-After": "90"}, Untaken("HTTP 429", after=timedelta(seconds=90), all=True)),
        (503, {}, Untaken("HTTP 503", all=True)),
        (503, {"Retry-After": "soon"}, Untaken("HTTP 503", all=True)),
        (
            503,
            {"Retry-After": format_datetime(NOW + timedelta(minutes=5), usegmt=True)},
            Untaken("HTTP 503", after=timedelta(minutes=5), all=True),
        ),
    ],
)
async def test_what_an_answer_means(server: Server, status: int, headers: dict[str, str], expected: Untaken) -> None:
    server.answers = [(status, headers)]
    assert await tell(server.url) == expected
    assert len(server.got) == 1


async def test_an_endpoint_that_hangs_or_is_not_there_is_waited_for(server: Server) -> None:
    server.answers = [(-1, {})]
    assert await tell(server.url, timeout="100ms") == Untaken("no answer within 0.1 s", all=True)
    away = await tell("http://127.0.0.1:1/events")
    assert isinstance(away, Untaken)
    assert away.all
    assert "127.0.0.1" in away.why


def test_only_what_is_signed_and_fresh_is_believed() -> None:
    now = datetime.now(UTC)

    def headers(at: datetime, body: str, secret: str = SECRET) -> dict[str, str]:
        signature = Webhook(secret).sign("m-1", at, body)
        return {"Webhook-Id": "m-1", "Webhook-Timestamp": str(int(at.timestamp())), "Webhook-Signature": signature}

    body = '{"a":1}'
    good = headers(now, body)
    assert verified(body.encode(), good, SECRET) == {"a": 1}
    assert verified(b'{"a":2}', good, SECRET) is None
    assert verified(body.encode(), {}, SECRET) is None
    assert verified(body.encode(), headers(now - timedelta(minutes=6), body), SECRET) is None
    assert verified(body.encode(), {**good, "Webhook-Signature": "nonsense"}, SECRET) is None
    assert verified(body.encode(), {**good, "Webhook-Id": "m-2"}, SECRET) is None
    assert verified(b"\xff", good, SECRET) is None
    other = "whsec_" + base64.b64encode(b"another secret of enough bytes").decode()
    assert verified(body.encode(), headers(now, body, other), SECRET) is None
