"""What a call of Slack's Web API may raise."""

from __future__ import annotations

import aiohttp
from slack_sdk.errors import SlackClientError

LOST = (SlackClientError, aiohttp.ClientError, OSError)
"""Slack refused (a `SlackApiError` is a `SlackClientError`), or was not reached (a `TimeoutError` is an `OSError`)."""
