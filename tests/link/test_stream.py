"""Reading messages out of the broker's stream, wherever it is torn and whatever stands between them."""

from __future__ import annotations

import struct

import pytest

from link.inbox import Received
from link.stream import Malformed, Stream

SUBACK = b"\x90\x03\x00\x01\x01"
PUBACK = b"\x40\x02\x00\x07"


def length(size: int) -> bytes:
    digits = bytearray()
    while True:
        size, digit = divmod(size, 128)
        digits.append(digit | (0x80 if size else 0))
        if not size:
            return bytes(digits)


def publish(
    topic: bytes, payload: bytes, *, qos: int = 1, retain: bool = False, properties: bytes | None = None
) -> bytes:
    body = struct.pack(">H", len(topic)) + topic
    body += struct.pack(">H", 513) if qos else b""
    body += b"" if properties is None else length(len(properties)) + properties
    body += payload
    return bytes([0x30 | qos << 1 | retain]) + length(len(body)) + body


def read(data: bytes, *, five: bool = False, piece: int = 1 << 20) -> list[Received | bytes]:
    found: list[Received | bytes] = []
    stream = Stream(five, 3, found.append, found.append, clock=lambda: 0.0)
    for at in range(0, len(data), piece):
        stream.feed(data[at : at + piece])
    return found


@pytest.mark.parametrize("piece", [1, 2, 7, 1 << 20])
def test_messages_and_other_packets_come_whole_and_in_order(piece: int) -> None:
    data = SUBACK + publish(b"dev-1/status", b"{}") + PUBACK + publish(b"dev-2/status", b"x" * 20_000, retain=True)
    assert read(data, piece=piece) == [
        SUBACK,
        Received("dev-1/status", b"{}", False, 1, 513, 3),
        PUBACK,
        Received("dev-2/status", b"x" * 20_000, True, 1, 513, 3),
    ]


def test_qos_0_has_no_id() -> None:
    assert read(publish(b"dev-1/status", b"{}", qos=0)) == [Received("dev-1/status", b"{}", False, 0, 0, 3)]


@pytest.mark.parametrize("properties", [b"", b"\x01\x01", b"\x26" + b"\x00\x01a" + b"\x01\x00" + b"v" * 256])
def test_the_properties_of_mqtt_5_are_stepped_over(properties: bytes) -> None:
    [message] = read(publish(b"dev-1/status", b"{}", properties=properties), five=True)
    assert message == Received("dev-1/status", b"{}", False, 1, 513, 3)


def test_a_topic_that_is_not_utf_8_is_taken() -> None:
    [message] = read(publish(b"\xff\xfe/status", b"{}"))
    assert isinstance(message, Received)
    assert message.topic == "\ufffd\ufffd/status"


def test_qos_2_is_left_to_others() -> None:
    packet = publish(b"dev-1/status", b"{}", qos=2)
    assert read(packet) == [packet]


@pytest.mark.parametrize(
    ("data", "five"),
    [
        (b"\x32\xff\xff\xff\xff\x7f", False),  # a length of five bytes
        (b"\x32\x03\x00\x40a", False),  # a topic that is longer than the packet
        (b"\x32\x00", False),
        (b"\x32\x06\x00\x01a\x00\x01\x7f", True),  # properties that are
    ],
)
def test_what_is_not_mqtt_ends_it(data: bytes, five: bool) -> None:
    with pytest.raises(Malformed):
        read(data, five=five)
