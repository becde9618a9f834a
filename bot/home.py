"""The Home tab of the app: what waits for this person, and the fleet in numbers.

It is published when somebody opens it, and again after what they decide, there or by another button, form or command:
Slack shows what was published last. At most 100 blocks.
"""

from __future__ import annotations

from typing import Any

import structlog
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.acknowledge import at_once
from bot.answers import Answers
from bot.render import cut_to_fit
from bot.slack_errors import LOST

log = structlog.get_logger(__name__)

_BLOCKS = 100
_CHANGES = (
    *("approve yes", "approve no", "approve cancel", "approve break-glass"),
    *("alert ack", "alert investigate", "alert snooze", "alert resolve"),
)
"""What somebody may do, here or elsewhere, that changes what stands on their Home tab."""


class Home:
    """Publishes one person's Home tab."""

    def __init__(self, client: AsyncWebClient, answers: Answers) -> None:
        self._client = client
        self._answers = answers

    def listen(self, app: AsyncApp) -> None:
        """Before any catch-all of events: the first listener that fits is the only one."""
        app.event("app_home_opened")(ack=at_once, lazy=[self._opened])

    async def _opened(self, event: dict[str, Any]) -> None:
        if event.get("tab") == "home":
            await self.publish(event["user"])

    async def follow(self, user: str, line: str) -> None:
        """Publish anew after this person has run a line, if it may have changed what they see."""
        if line.startswith(_CHANGES):
            await self.publish(user)

    async def publish(self, user: str) -> None:
        parts = await self._answers.home(user)
        blocks = [block for part in parts for block in part.rendered.blocks]
        view = {"type": "home", "blocks": cut_to_fit(blocks, _BLOCKS)}
        try:
            await self._client.views_publish(user_id=user, view=view)
        except LOST as lost:
            log.warning("a Home tab could not be published", user=user, why=str(lost))
