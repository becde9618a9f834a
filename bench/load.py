"""The load generator, a process of its own: statuses at QoS 1 as pre-packed MQTT packets, and their PUBACKs counted.

`sink=True` makes it its own broker: a thread-free process that answers every packet, to find the generator's ceiling.
"""

from __future__ import annotations

import json
import random
import socket
import time
from datetime import UTC, datetime
from typing import Any

from bench import child, packets
from bench.measure import Stopwatch

_TOGETHER = 50  # packets written at once
_WINDOW = 2_000  # packets without a PUBACK
_SINK_SOCKET = 1 << 16


def device_id(number: int) -> str:
    """Of one width, so that all packets of a run have one size."""
    return f"dev-{number:07}"


def status(number: int, version: str, boot: str) -> bytes:
    """A status as devices send it."""
    said = {
        "reported_config_version": version,
        "firmware_version": f"1.{number % 10}.0",
        "site": f"site-{number % 50:02}",
        "boot_id": f"boot-{boot}",
        "device_ts": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    return json.dumps(said, separators=(",", ":")).encode()


def packed(count: int, devices: int, version: str, boot: str) -> list[bytes]:
    """`count` statuses of `devices` devices in an order of chance, `_TOGETHER` to a chunk."""
    order = list(range(devices))
    random.Random(1).shuffle(order)
    single = [
        packets.publish(f"{device_id(number)}/status", status(number, version, boot), at % 65_535 + 1)
        for at, number in ((at, order[at % devices]) for at in range(count))
    ]
    return [b"".join(single[at : at + _TOGETHER]) for at in range(0, count, _TOGETHER)]


def send(sock: socket.socket, chunks: list[bytes], count: int) -> None:
    """All of them as fast as their PUBACKs allow."""
    buffer = bytearray(1 << 16)
    sent = answered = 0  # packets, bytes
    for chunk in chunks:
        while sent - answered // packets.PUBACK_BYTES > _WINDOW - _TOGETHER:
            answered += _received(sock, buffer)
        sock.sendall(chunk)
        sent += _TOGETHER
    while answered < count * packets.PUBACK_BYTES:
        answered += _received(sock, buffer)


def send_evenly(sock: socket.socket, chunks: list[bytes], rate: float) -> None:
    """Round and round at `rate` packets a second, until the process is ended; never catching up what it missed."""
    buffer = bytearray(1 << 16)
    sock.setblocking(False)
    due, at = time.monotonic(), 0
    while True:
        sock.setblocking(True)
        sock.sendall(chunks[at % len(chunks)])
        sock.setblocking(False)
        try:
            while sock.recv_into(buffer):
                pass
        except BlockingIOError:
            pass
        at += 1
        due = max(due + _TOGETHER / rate, time.monotonic() - 1)
        time.sleep(max(0.0, due - time.monotonic()))


def _received(sock: socket.socket, buffer: bytearray) -> int:
    if not (size := sock.recv_into(buffer)):
        raise ConnectionError("the broker hung up")
    return size


def _serve_as_sink(listener: socket.socket) -> None:
    """Answer CONNECT with CONNACK, and then each packet with a PUBACK, by counting bytes."""
    sock, _ = listener.accept()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.recv(1000)
    sock.sendall(b"\x20\x02\x00\x00")
    each = len(packets.publish(f"{device_id(0)}/status", status(0, "2026.1.0", "0"), 1))
    answers = packets.puback(1) * 20_000
    buffer = bytearray(_SINK_SOCKET)
    seen = answered = 0
    while size := sock.recv_into(buffer):
        seen += size
        whole = seen // each
        sock.sendall(answers[: (whole - answered) * packets.PUBACK_BYTES])
        answered = whole


def main(orders: dict[str, Any]) -> None:
    if orders.get("sink"):
        with socket.create_server((orders["host"], 0)) as listener:
            child.say({"port": listener.getsockname()[1]})
            _serve_as_sink(listener)
        return
    count = orders["count"]
    chunks = packed(count, orders["devices"], orders["version"], orders["boot"])
    sock = packets.connected(orders["host"], orders["port"], "bench-load")
    child.say({"ready": True})
    child.wait_for_parent()
    if rate := orders.get("rate"):
        send_evenly(sock, chunks, rate)
    watch = Stopwatch()
    send(sock, chunks, count)
    child.say({"wall": watch.wall, "cpu": watch.cpu})
    sock.sendall(b"\xe0\x00")
    sock.close()


if __name__ == "__main__":
    main(child.orders())
