"""Events leave and come in over HTTP: CloudEvents as JSON, signed as Standard Webhooks say.

`webhook-id` is the event's id, the same however often it is sent, so that whoever takes it can tell a repetition.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from cloudevents.core.bindings.http import to_structured_event
from cloudevents.core.v1.event import CloudEvent
from standardwebhooks import Webhook, WebhookVerificationError

from fleet.settings import EndpointSettings, EventSettings
from jobs.ports import Notice, Taken, Untaken

_GONE = 410
_WAIT_ALL = (429, 502, 503, 504)
"""Answers that speak of the endpoint and not of the one event: all others wait too."""


class Webhooks:
    """The `Tell` protocol over one HTTP session."""

    def __init__(self, session: aiohttp.ClientSession, settings: EventSettings) -> None:
        self._session, self._source = session, settings.source
        self._timeout = aiohttp.ClientTimeout(total=settings.timeout.total_seconds())

    async def tell(self, endpoint: EndpointSettings, notice: Notice, now: datetime) -> Taken | Untaken:
        """Post one event. Never raises for an endpoint: whatever it does is an answer."""
        headers, body = signed(envelope(notice, self._source), notice.id, endpoint.secret.get_secret_value(), now)
        post = self._session.post(
            endpoint.url, data=body, headers=headers, timeout=self._timeout, allow_redirects=False
        )
        try:
            async with post as answer:
                return _answer(answer.status, answer.headers.get("Retry-After"), now)
        except TimeoutError:
            return Untaken(f"no answer within {self._timeout.total:g} s", all=True)
        except (aiohttp.ClientError, OSError) as away:
            return Untaken(f"{type(away).__name__}: {away}", all=True)


def envelope(notice: Notice, source: str) -> CloudEvent:
    """The event as a CloudEvent; `sequence` orders the events of a subject."""
    attributes = {
        "id": notice.id,
        "source": source,
        "type": notice.type,
        "subject": notice.subject,
        "time": notice.at,
        "datacontenttype": "application/json",
        "sequence": str(notice.seq),
    }
    return CloudEvent(attributes=attributes, data=dict(notice.data))


def signed(event: CloudEvent, message_id: str, secret: str, now: datetime) -> tuple[dict[str, str], bytes]:
    """The headers and the body of a POST."""
    message = to_structured_event(event)
    headers = {
        **message.headers,
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, now.astimezone(UTC), message.body.decode()),
    }
    return headers, message.body


def verified(body: bytes, headers: Mapping[str, str], secret: str) -> Any | None:
    """The JSON of a signed request; None if the signature is missing, wrong, or older or newer than five minutes."""
    try:
        return Webhook(secret).verify(body, dict(headers))
    except (WebhookVerificationError, ValueError):  # a header or a body that is not even of the right form
        return None


def _answer(status: int, retry_after: str | None, now: datetime) -> Taken | Untaken:
    if 200 <= status < 300:
        return Taken()
    waits = status in _WAIT_ALL
    return Untaken(f"HTTP {status}", after=_wait(retry_after, now) if waits else None, all=waits, gone=status == _GONE)


def _wait(retry_after: str | None, now: datetime) -> timedelta | None:
    """`Retry-After`, in seconds or as a date; None if it is missing or says nothing that can be understood."""
    if not retry_after:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return timedelta(seconds=min(int(retry_after), 86400))
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(moment.replace(tzinfo=moment.tzinfo or UTC) - now, timedelta(0)) or None
