"""An acknowledgement on its own: in slack-bolt one that is followed within milliseconds by a raise is lost."""

from __future__ import annotations

from slack_bolt.async_app import AsyncAck


async def at_once(ack: AsyncAck) -> None:
    await ack()
