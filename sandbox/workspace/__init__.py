"""A stand-in Slack workspace on loopback, for tests and for the demo.

The unmodified slack-bolt app talks to it: Web API, Socket Mode, slash commands, clicks, events, response_urls,
rate limits and Slack's error codes; people are personas that a test or the web page plays.

    from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
    from slack_bolt.async_app import AsyncApp
    from slack_sdk.web.async_client import AsyncWebClient
    from sandbox.workspace import APP_TOKEN, BOT_TOKEN, OPERATOR, Workspace

    async with Workspace.start(port=0, ack_within=0.5) as ws:
        app = AsyncApp(client=AsyncWebClient(token=BOT_TOKEN, base_url=ws.base_url))
        handler = AsyncSocketModeHandler(app, APP_TOKEN)
        await handler.connect_async()

        run = await ws.command(OPERATOR, "#fleet-ops", "/fleet status")   # back at its first answer
        assert run.error is None and "online" in run.words
        alert = await ws.wait_for_message("#fleet-ops", contains="drifted", timeout=5)
        await ws.click(OPERATOR, alert.ts, "Acknowledge")                 # by label or action_id
        form = await ws.wait_for_modal(OPERATOR, contains="Why")          # opened by the app
        await ws.submit(OPERATOR, {"Why": "too slow"})                    # by label, block_id or action_id
        await ws.open_home(OPERATOR)
        await ws.inject("chat.postMessage", status=429, retry_after=2, times=3)
        await ws.inject("chat.postMessage", accept_then_drop=True)        # posted, then the connection is cut
        assert (await ws.journal(kind="envelope"))[-1]["ack_ms"] < 3000
        await handler.close_async()

`Workspace` refuses to listen anywhere but on loopback. `ws.url` is the page, `ws.base_url` the Web API. From another
process `async with WorkspaceClient(url) as ws:` has the same methods, those of `handle.Handle`. Times follow the
`clock` that is passed in (seconds since the epoch); rate limits follow `monotonic`; both have real defaults.
`limits=RateLimits(enabled=False)` switches the rate limits off.
"""

from sandbox.workspace.client import WorkspaceClient
from sandbox.workspace.errors import SlackError
from sandbox.workspace.faults import Fault
from sandbox.workspace.ids import (
    APP,
    APP_TOKEN,
    APPROVER1,
    APPROVER2,
    BOT_TOKEN,
    BOT_USER,
    FLEET_OPS,
    FLEET_REPORTS,
    GROUP_APPROVERS,
    GROUP_ONCALL,
    ONCALL,
    OPERATOR,
    PERSONAS,
    RANDOM,
    SLACKBOT,
    TEAM,
    VIEWER,
)
from sandbox.workspace.limits import RateLimits
from sandbox.workspace.seen import SeenMessage, SeenRun, SeenView
from sandbox.workspace.server import Workspace

__all__ = [
    "APP",
    "APPROVER1",
    "APPROVER2",
    "APP_TOKEN",
    "BOT_TOKEN",
    "BOT_USER",
    "FLEET_OPS",
    "FLEET_REPORTS",
    "GROUP_APPROVERS",
    "GROUP_ONCALL",
    "ONCALL",
    "OPERATOR",
    "PERSONAS",
    "RANDOM",
    "SLACKBOT",
    "TEAM",
    "VIEWER",
    "Fault",
    "RateLimits",
    "SeenMessage",
    "SeenRun",
    "SeenView",
    "SlackError",
    "Workspace",
    "WorkspaceClient",
]
