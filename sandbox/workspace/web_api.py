"""The Web API over HTTP: arguments, tokens, scopes, faults, and every call into the journal.

Source: Slack's "Using the Slack Web API".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from email.utils import formatdate

from aiohttp import web

from sandbox.workspace import (
    chat,  # noqa: F401  registers its methods, as those with the same mark do
    conversations,  # noqa: F401
    directory,  # noqa: F401
    files,  # noqa: F401
    ids,
    views,  # noqa: F401
)
from sandbox.workspace.errors import SlackError, rate_limited
from sandbox.workspace.faults import Fault, Faults
from sandbox.workspace.journal import Journal, shortened
from sandbox.workspace.methods import METHODS, Api, Arguments, Json, Method


class WebApi:
    """GET and POST /api/<method>, and POST /response/…"""

    def __init__(self, api: Api, faults: Faults, journal: Journal) -> None:
        self._api = api
        self._faults = faults
        self._journal = journal
        self.closing = asyncio.Event()

    async def call(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        try:
            args = Arguments(await _read(request))
        except SlackError as refusal:
            return self._reply(name, {}, refusal.body, refusal.status, refusal.headers, None)
        token = _token(request, args)
        channel = self._api.state.channel(args.text("channel"))
        fault = self._faults.take(name, channel.id if channel else None)
        return await self._answer(request, fault, name, args.values, lambda: self._run(name, token, args))

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """A use of a response_url; `response_url` is its name for faults and in the journal."""
        path = request.match_info["path"]
        try:
            body = await _read(request)
        except SlackError as refusal:
            return self._reply("response_url", {}, refusal.body, 400, {}, None)
        run = self._api.people.responses.run_of(path)
        fault = self._faults.take("response_url", run.channel if run else None)

        def use() -> Json:
            self._api.people.responses.use(path, body)
            return {}

        return await self._answer(request, fault, "response_url", body, use)

    async def _answer(
        self, request: web.Request, fault: Fault | None, name: str, args: Json, work: Callable[[], Json]
    ) -> web.Response:
        if fault is not None and fault.delay:
            await asyncio.sleep(fault.delay)
        if fault is not None and (fault.drop or fault.hang):
            self._reply(name, args, None, 0, {}, fault)
            if fault.hang:
                await self.closing.wait()  # or until the caller gives up
            return _cut(request)
        status, headers = 200, dict[str, str]()
        try:
            if fault is not None and not fault.accept_then_drop:
                _refuse(fault)
            body = {"ok": True, **work()}
        except SlackError as refusal:
            status, headers, body = refusal.status, refusal.headers, refusal.body
        reply = self._reply(name, args, body, status, headers, fault)
        return _cut(request) if fault is not None and fault.accept_then_drop else reply

    def _run(self, name: str, token: str, args: Arguments) -> Json:
        method = METHODS.get(name)
        if method is None:
            raise SlackError("unknown_method", extra={"req_method": name})
        self._authorise(method, token)
        return method.answer(self._api, args)

    def _authorise(self, method: Method, token: str) -> None:
        if method.token is None:
            return
        if not token:
            raise SlackError("not_authed")
        if token not in (ids.BOT_TOKEN, ids.APP_TOKEN):
            raise SlackError("invalid_auth")
        if token != method.token:
            raise SlackError("not_allowed_token_type")
        if method.scope is not None and method.scope not in self._api.scopes:
            provided = ",".join(sorted(self._api.scopes))
            raise SlackError("missing_scope", extra={"needed": method.scope, "provided": provided})

    def _reply(
        self, name: str, args: Json, body: Json | None, status: int, headers: dict[str, str], fault: Fault | None
    ) -> web.Response:
        self._journal.add(
            "response_url" if name == "response_url" else "api",
            method=name,
            args=shortened({key: value for key, value in args.items() if key != "token"}),
            status=status,
            response=shortened(body),
            fault=fault.name if fault else None,
        )
        scopes = {
            "X-OAuth-Scopes": ",".join(sorted(self._api.scopes)),
            "X-Slack-Req-Id": self._api.state.next_id("req"),
            "Date": formatdate(self._api.state.clock(), usegmt=True),
        }
        return web.json_response(body, status=status or 200, headers={**scopes, **headers})


def _refuse(fault: Fault) -> None:
    if fault.error is not None:
        raise SlackError(fault.error, status=fault.status or 200)
    if fault.status == 429:
        raise rate_limited(fault.retry_after)
    if fault.status is not None:
        raise SlackError("internal_error", status=fault.status)


def _cut(request: web.Request) -> web.Response:
    """Ends the connection without an answer. The response returned is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _token(request: web.Request, args: Arguments) -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else args.text("token")


async def _read(request: web.Request) -> Json:
    """Query, form and JSON arguments; the body wins."""
    values: Json = dict(request.query)
    if request.method != "POST" or not request.can_read_body:
        return values
    if request.content_type == "application/json":
        try:
            body = await request.json()
        except ValueError as wrong:
            raise SlackError("invalid_json") from wrong
        if not isinstance(body, dict):
            raise SlackError("json_not_object")
        return values | {key: value for key, value in body.items() if value is not None}
    form = await request.post()
    return values | {key: value for key, value in form.items() if isinstance(value, str)}
