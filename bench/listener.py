"""Devices that only listen, a process of its own: when does the last order arrive? Raw packets, as in `acker`."""

from __future__ import annotations

import time
from typing import Any

from bench import child, packets
from bench.packets import Reader, connected, puback, subscribe

_PUBLISH = 0x30
_QUIET = 3.0  # seconds without an order, and it is over


def main(orders: dict[str, Any]) -> None:
    """Says when it listens, when `count` orders have come, and how many it were and when the last one came.

    Moments are of the monotonic clock, which is the same for all processes of a machine.
    """
    sock = connected(orders["host"], orders["port"], "bench-devices")
    sock.sendall(subscribe("+/config/desired"))
    reader, came, first, last = Reader(), 0, 0.0, 0.0
    while True:
        try:
            data = sock.recv(1 << 16)
        except TimeoutError:
            break
        if not data:
            raise ConnectionError("the broker hung up")
        acks = []
        for kind, body in reader.feed(data):
            if kind & 0xF0 == _PUBLISH:
                last = time.monotonic()
                first = first or last
                came += 1
                end = 2 + int.from_bytes(body[:2], "big")
                acks.append(puback(int.from_bytes(body[end : end + 2], "big")))
                if came == orders["count"]:
                    child.say({"rate": came / max(last - first, 0.001)})
                    sock.settimeout(_QUIET)
            elif kind & 0xF0 == packets.SUBACK:
                child.say({"ready": True})
        sock.sendall(b"".join(acks))
    child.say({"came": came, "last": last})
    sock.sendall(b"\xe0\x00")
    sock.close()


if __name__ == "__main__":
    main(child.orders())
