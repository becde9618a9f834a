"""MQTT 3.1.1 packets, packed by hand: the devices' side must cost little beside what is measured.

Source: OASIS, MQTT Version 3.1.1, chapters 2 and 3.
"""

from __future__ import annotations

import socket
import struct

PUBACK, SUBACK = 0x40, 0x90  # the first byte of each
PUBACK_BYTES = 4
_CONNACK_BYTES = 4


def _packet(kind: int, body: bytes) -> bytes:
    length, left = bytearray(), len(body)
    while True:
        left, digit = divmod(left, 128)
        length.append(digit | (0x80 if left else 0))
        if not left:
            return bytes([kind, *length]) + body


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack(">H", len(raw)) + raw


def connect(client_id: str) -> bytes:
    """A clean session without keepalive."""
    return _packet(0x10, _text("MQTT") + b"\x04\x02\x00\x00" + _text(client_id))


def subscribe(topic: str) -> bytes:
    """At QoS 1, as packet 1."""
    return _packet(0x82, b"\x00\x01" + _text(topic) + b"\x01")


def publish(topic: str, payload: bytes, packet_id: int) -> bytes:
    """At QoS 1, not retained."""
    return _packet(0x32, _text(topic) + struct.pack(">H", packet_id) + payload)


def puback(packet_id: int) -> bytes:
    return b"\x40\x02" + struct.pack(">H", packet_id)


def connected(host: str, port: int, client_id: str) -> socket.socket:
    """A blocking socket with CONNECT and CONNACK behind it. Raises ConnectionError when it is refused."""
    sock = socket.create_connection((host, port), timeout=30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(connect(client_id))
    answer = b""
    while len(answer) < _CONNACK_BYTES:
        if not (more := sock.recv(_CONNACK_BYTES - len(answer))):
            raise ConnectionError("the broker hung up instead of answering CONNECT")
        answer += more
    if answer[0] != 0x20 or answer[3]:
        raise ConnectionError(f"the broker refused CONNECT with code {answer[3]}")
    return sock


class Reader:
    """Cuts a stream into packets."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Every packet that is whole by now: its first byte, and its body."""
        buffer = self._buffer
        buffer += data
        found, at = [], 0
        while len(buffer) - at >= 2:
            length, shift, head = 0, 0, at + 1
            while head < len(buffer):
                digit = buffer[head]
                head += 1
                length |= (digit & 0x7F) << shift
                shift += 7
                if digit < 0x80:
                    break
            else:
                break
            if len(buffer) < head + length:
                break
            found.append((buffer[at], bytes(buffer[head : head + length])))
            at = head + length
        del buffer[:at]
        return found
