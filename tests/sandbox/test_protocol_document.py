"""docs/device-protocol.md shows every topic, with an example that the models of both sides read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from link import wire
from link.topics import Kind, Order

PAGE = Path(__file__).parent.parent.parent / "docs" / "device-protocol.md"
EXAMPLES = dict(
    re.findall(r"\*\*`\{id\}/([a-z/-]+)`\*\*(?:(?!\*\*`).)*?```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
)

MODELS: dict[Order, type[wire.Payload]] = {
    Order.CONFIG_DESIRED: wire.ConfigDesired,
    Order.LOG_REQUEST: wire.DiagnosticsRequest,
    Order.METRICS_REQUEST: wire.DiagnosticsRequest,
    Order.PING_REQUEST: wire.DiagnosticsRequest,
    Order.RESTART: wire.Restart,
    Order.FIRMWARE_DESIRED: wire.FirmwareDesired,
    Order.CERTIFICATE_RENEW: wire.CertificateRenew,
    Order.CERTIFICATE_ISSUED: wire.CertificateIssued,
}


def test_every_topic_has_its_example() -> None:
    assert set(EXAMPLES) == {*Kind, *Order}


@pytest.mark.parametrize("kind", Kind)
def test_what_a_device_says_there_is_read(kind: Kind) -> None:
    assert isinstance(wire.read("dev-1", kind, EXAMPLES[kind].encode()), wire.MODELS[kind])


@pytest.mark.parametrize("order", Order)
def test_what_muster_says_there_is_what_it_sends(order: Order) -> None:
    decoded = MODELS[order].decode(EXAMPLES[order].encode())
    assert MODELS[order].decode(decoded.encode()) == decoded


@pytest.mark.parametrize("order", Order)
def test_what_is_retained_is_said_to_be(order: Order) -> None:
    said = re.search(rf"\*\*`\{{id\}}/{order}`\*\*[^\n]*", PAGE.read_text())
    assert said is not None
    assert ("**retained**" in said[0]) == order.retained
