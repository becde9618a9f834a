"""The broker: is it reached, does it let Muster in, and are its windows and queues wide enough?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from bot.doctor.finding import Finding, fine, problem, warning
from fleet.settings import MqttSettings
from link import probe
from link.probe import Seen, Unreachable

SMALL = 100
"""A window below this holds Muster back: a batch is never larger, and every batch is a commit."""

_TUNE = "With mosquitto: max_inflight_messages 2000 and max_queued_messages 360000, as in deploy/mosquitto."


async def check(settings: MqttSettings) -> AsyncIterator[Finding]:
    where = f"{settings.host}:{settings.port}"
    try:
        seen = await asyncio.to_thread(probe.look, settings)
    except Unreachable as why:
        yield _unreachable(where, why)
        return
    by = f" ({seen.version})" if seen.version else ""
    yield fine("broker", f"{where} is reached and lets us in, MQTT {seen.protocol}{by}")
    if settings.shared_group and seen.protocol != "5":
        yield problem("broker", "mqtt.shared_group needs MQTT 5", "Use a broker with MQTT 5, or one replica.")
    for finding in (*_window(seen), *_promises(seen, settings), *_dropped(seen)):
        yield finding


def _unreachable(where: str, why: Unreachable) -> Finding:
    if why.refused:
        mend = "Check mqtt.username, mqtt.password and the client certificate, and the broker's own list."
        return problem("broker", f"{where} refuses us: {why}", mend)
    return problem(
        "broker", f"{where} cannot be reached: {why}", "Check mqtt.host, mqtt.port and mqtt.tls, the firewall."
    )


def _window(seen: Seen) -> Iterator[Finding]:
    if seen.window is None:
        mend = "Let Muster read and write muster-doctor/# below mqtt.topic_prefix, as deploy/mosquitto/muster.acl does."
        yield warning("window", f"the broker's window cannot be measured: {seen.unmeasured}", mend)
        return
    if seen.window < SMALL:
        said = f"the broker's window is small: it sends Muster {seen.window} messages and waits for their acks"
        yield warning("window", said, f"Allow at least {SMALL}, better 2,000. {_TUNE}")
    else:
        more = " or more" if seen.window >= probe.SENT else ""
        yield fine("window", f"the broker sends Muster {seen.window}{more} messages before an ack")
    if seen.lost:
        said = f"the broker's queue is small: of {probe.SENT} messages in a burst it dropped {seen.lost}"
        yield warning("queue", said, f"Let it queue more for a client that is slow or away. {_TUNE}")


def _promises(seen: Seen, settings: MqttSettings) -> Iterator[Finding]:
    """What an MQTT 5 broker says of itself; what it does not say has no limit."""
    told = seen.promised
    if (most := told.get("ReceiveMaximum", 65535)) < SMALL:
        said = f"the broker's window is small: it takes {most} messages from Muster before it must ack them"
        yield warning(
            "window", said, f"Allow at least mqtt.publish_concurrency ({settings.publish_concurrency}). {_TUNE}"
        )
    if told.get("MaximumQoS", 2) < 1:
        yield problem("broker", "it takes QoS 0 only, so pushes could be lost unseen", "Allow QoS 1.")
    if not told.get("RetainAvailable", 1):
        yield problem(
            "broker", "it keeps no retained messages, so offline devices miss pushes", "Allow retained messages."
        )
    if not told.get("WildcardSubscriptionAvailable", 1):
        yield problem("broker", "it allows no wildcards, so Muster cannot hear all devices", "Allow wildcards.")
    if settings.shared_group and not told.get("SharedSubscriptionAvailable", 1):
        yield problem("broker", "it allows no shared subscriptions", "Allow them, or run one replica without a group.")
    if (most := told.get("MaximumPacketSize", settings.max_payload_bytes + 1)) <= settings.max_payload_bytes:
        said = f"it takes packets of {most:,} bytes, and mqtt.max_payload_bytes is {settings.max_payload_bytes:,}"
        yield warning("broker", said, "Raise the broker's limit, or lower the setting.")
    kept = told.get("SessionExpiryInterval")
    if kept is not None and 0 < kept < settings.session_expiry.total_seconds():
        said = f"it keeps Muster's session for {kept:,} s only"
        yield warning("broker", said, "Raise the broker's limit to mqtt.session_expiry, or lower that.")


def _dropped(seen: Seen) -> Iterator[Finding]:
    if seen.dropped is None:
        return
    if seen.dropped:
        said = f"the broker has dropped {seen.dropped:,} messages since it started"
        yield warning("dropped", said, f"Raise its queues, and look whether a client is slow or away for long. {_TUNE}")
    else:
        yield fine("dropped", "the broker has dropped no message since it started")
