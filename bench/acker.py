"""The simulated devices of `push`, a process of its own: applies each configuration at once and acks it.

Raw packets, as in the load generator: a simulator that costs as much as what is measured would hide its cost.
"""

from __future__ import annotations

import json
from typing import Any

from bench import child, packets
from bench.measure import Stopwatch
from bench.packets import Reader, connected, puback, publish, subscribe

_PUBLISH = 0x30


def main(orders: dict[str, Any]) -> None:
    """Until `count` configurations are acked and those acks confirmed by the broker."""
    sock = connected(orders["host"], orders["port"], "bench-devices")
    sock.sendall(subscribe("+/config/desired"))
    reader, confirmed, acked, next_id = Reader(), 0, 0, 1
    watch = Stopwatch()
    while confirmed < orders["count"]:
        if not (data := sock.recv(1 << 16)):
            raise ConnectionError("the broker hung up")
        out = []
        for first, body in reader.feed(data):
            kind = first & 0xF0
            if kind == _PUBLISH:
                if not acked:
                    watch.start()
                topic, packet_id, payload = _read(body)
                out += [puback(packet_id), publish(topic, payload, next_id)]
                acked += 1
                next_id = next_id % 65_535 + 1
            elif kind == packets.PUBACK:
                confirmed += 1
            elif kind == packets.SUBACK:
                child.say({"ready": True})
        if out:
            sock.sendall(b"".join(out))
    child.say({"wall": watch.wall, "cpu": watch.cpu})
    sock.sendall(b"\xe0\x00")
    sock.close()


def _read(body: bytes) -> tuple[str, int, bytes]:
    """The topic and the payload to answer with, and the id of the packet."""
    end = 2 + int.from_bytes(body[:2], "big")
    desired = json.loads(body[end + 2 :])
    answer = {"version": desired["version"], "status": "applied", "operation_id": desired["operation_id"]}
    topic = body[2:end].decode().removesuffix("desired") + "ack"
    return topic, int.from_bytes(body[end : end + 2], "big"), json.dumps(answer).encode()


if __name__ == "__main__":
    main(child.orders())
