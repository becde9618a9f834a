"""HTTP mode: what Slack posts to /slack/events, with its signature and its age checked before anything reads it.

A signature is the HMAC-SHA256 of `v0:timestamp:body` with the signing secret. A timestamp more than five minutes from
our clock is refused, so that what was once overheard cannot be played again later. Source: Slack's "Verifying requests
from Slack".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncApp
from slack_sdk.signature import SignatureVerifier

log = structlog.get_logger(__name__)

PATH = "/slack/events"


def receiver(app: AsyncApp, signing_secret: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The handler of PATH: commands, clicks and events alike, acknowledged in the answer. 401 for what is not Slack's.

    slack-bolt checks signatures too, but parses the body first.
    """
    verifier = SignatureVerifier(signing_secret)

    async def receive(request: web.Request) -> web.StreamResponse:
        timestamp = request.headers.get("X-Slack-Request-Timestamp", "")
        signature = request.headers.get("X-Slack-Signature", "")
        readable = timestamp.isdecimal() and len(timestamp) <= 12 and signature.isascii()
        if not (readable and verifier.is_valid(await request.read(), timestamp, signature)):
            log.warning("a request was refused: not signed by Slack, or older than five minutes", remote=request.remote)
            return web.json_response({"error": "invalid request"}, status=401)
        return await to_aiohttp_response(await app.async_dispatch(await to_bolt_request(request)))

    return receive
