"""Cuts what the broker sends into packets, and reads the messages among them.

paho makes four system calls and six objects for each PUBLISH, among them a table of MQTT 5 properties that nobody looks
at. Messages are nearly all that comes, so they are read here; every other packet is left to paho, byte for byte.

Source: OASIS, MQTT 3.1.1 and MQTT 5.0, chapters 2.1 (fixed header) and 3.3 (PUBLISH).
"""

from __future__ import annotations

import time
from collections.abc import Callable

from link.inbox import Received

_PUBLISH = 0x30


class Malformed(ValueError):
    """Not MQTT: the connection cannot go on."""


class Stream:
    """Feed it what the socket gave; `message` gets each PUBLISH, `other` each other packet, both whole and in order."""

    def __init__(
        self,
        five: bool,
        generation: int,
        message: Callable[[Received], None],
        other: Callable[[bytes], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._at = 0.0
        self._five = five
        self._generation = generation
        self._message = message
        self._other = other
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Raises Malformed."""
        self._at = self._clock()
        if self._rest:
            data = self._rest + data
        at, size = 0, len(data)
        while size - at >= 2:
            length, head = data[at + 1], at + 2
            if length >= 0x80:
                found = _length(data, at + 1)
                if found is None:
                    break
                length, head = found
            end = head + length
            if end > size:
                break
            first = data[at]
            # QoS 2, which Muster never asks for, takes four packets: paho would do that.
            if first & 0xF0 == _PUBLISH and first & 0x06 != 0x04:
                self._message(self._read(first, data, head, end))
            else:
                self._other(data[at:end])
            at = end
        self._rest = data[at:]

    def _read(self, first: int, data: bytes, head: int, end: int) -> Received:
        try:
            after_topic = at = head + 2 + (data[head] << 8 | data[head + 1])
            qos, message_id = first >> 1 & 3, 0
            if qos:
                message_id = data[at] << 8 | data[at + 1]
                at += 2
            if self._five:
                properties, at = _length(data, at) or (end, at)
                at += properties
        except IndexError:
            raise Malformed("a PUBLISH that is too short") from None
        if at > end:
            raise Malformed("a PUBLISH that is longer within than without")
        # A topic that is not UTF-8 is none of ours; it is taken, so that it is counted and acked.
        topic = str(data[head + 2 : after_topic], "utf-8", "replace")
        return Received(topic, data[at:end], bool(first & 1), qos, message_id, self._generation, self._at)


def _length(data: bytes, at: int) -> tuple[int, int] | None:
    """A variable byte integer, and where it ends; None if it is not whole yet."""
    length = shift = 0
    for place in range(at, min(at + 4, len(data))):
        digit = data[place]
        length |= (digit & 0x7F) << shift
        if digit < 0x80:
            return length, place + 1
        shift += 7
    if len(data) - at >= 4:
        raise Malformed("a length of more than four bytes")
    return None
