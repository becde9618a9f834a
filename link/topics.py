"""Which topic belongs to which device and means what.

`<prefix>{device id}/{kind}`: what a device says is a `Kind`, what Muster says is an `Order`. Muster subscribes only to
device-side topics, so it never hears itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

DEVICE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_is_device_id = DEVICE_ID.fullmatch


class Unreadable(ValueError):
    """A message that cannot be taken: `reason` is short and of few kinds, so that it can be counted.

    From a topic: `unknown topic`, `bad device id`. From a payload: `too large`, `not utf-8`, `not json`,
    `not an object`, `nul character`, `names another device`, `bad field: <field>`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Kind(StrEnum):
    """What a device says; the value is the topic after the device id."""

    STATUS = "status"
    TELEMETRY = "telemetry"
    CONFIG_ACK = "config/ack"
    LOG_RESPONSE = "diagnostics/log-request/response"
    METRICS_RESPONSE = "diagnostics/metrics/response"
    PING_RESPONSE = "diagnostics/ping/response"
    COMMAND_ACK = "command/ack"
    FIRMWARE_STATE = "firmware/state"
    CERTIFICATE_CSR = "certificate/csr"
    CERTIFICATE_INSTALLED = "certificate/installed"
    PROVISIONING_CLAIM = "provisioning/claim"


class Order(StrEnum):
    """What Muster says; the value is the topic after the device id."""

    CONFIG_DESIRED = "config/desired"
    LOG_REQUEST = "diagnostics/log-request"
    METRICS_REQUEST = "diagnostics/metrics"
    PING_REQUEST = "diagnostics/ping"
    RESTART = "command/restart"
    FIRMWARE_DESIRED = "firmware/desired"
    CERTIFICATE_RENEW = "certificate/renew"
    CERTIFICATE_ISSUED = "certificate/issued"

    @property
    def retained(self) -> bool:
        """Only state is retained, commands never are: a command must not reach a device days later."""
        return self in (Order.CONFIG_DESIRED, Order.FIRMWARE_DESIRED)


_KINDS: Mapping[str, Kind] = MappingProxyType({kind.value: kind for kind in Kind})


def is_device_id(text: str) -> bool:
    """True if `text` may name a device: up to 128 letters, digits and `._:-`, the first a letter or digit."""
    return _is_device_id(text) is not None


@dataclass(frozen=True, slots=True)
class Topics:
    """Builds and reads topics under one prefix (empty, or ending in `/`: setting `mqtt.topic_prefix`)."""

    prefix: str = ""

    def of(self, device_id: str, what: Kind | Order) -> str:
        """The topic of a device, for either side."""
        return f"{self.prefix}{device_id}/{what.value}"

    def subscriptions(self, shared_group: str | None = None) -> list[str]:
        """The filters for everything devices say; with a group as MQTT 5 shared subscriptions."""
        share = f"$share/{shared_group}/" if shared_group else ""
        return [f"{share}{self.prefix}+/{kind.value}" for kind in Kind]

    def read(self, topic: str) -> tuple[str, Kind]:
        """The device and the kind of message of a device-side topic.

        Raises Unreadable: `unknown topic` (another prefix, Muster's own side, anything else), `bad device id`.
        """
        prefix = self.prefix
        if prefix:
            if not topic.startswith(prefix):
                raise Unreadable("unknown topic")
            topic = topic[len(prefix) :]
        device_id, _, rest = topic.partition("/")
        kind = _KINDS.get(rest)
        if kind is None:
            raise Unreadable("unknown topic")
        if _is_device_id(device_id) is None:
            raise Unreadable("bad device id")
        return device_id, kind
