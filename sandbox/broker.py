"""An MQTT broker for the demo and the tests: rumqttd out of the `iotcore` wheel, on loopback, in a child process.

    with EmbeddedBroker() as broker:
        connect(broker.host, broker.port)

rumqttd cannot be stopped within a process, so `iotcore.Broker` runs it in a child: it ends with `stop`, and by itself
when its parent goes away. `python -m sandbox.broker --port 1883` runs one in the foreground.

One router serves two ports, since a listener of rumqttd speaks one protocol: `port` MQTT 3.1.1, `port_v5` MQTT 5; the
wrong one hangs up without a CONNACK. As the tests show, it retains, matches wildcards, shares subscriptions (MQTT 5),
keeps QoS 1 messages for a persistent session that is away, and delivers again what that session has not acked. It
has no passwords and no ACL here, and everything is in memory: a stop forgets sessions and retained messages.
"""

from __future__ import annotations

import argparse
import socket
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from iotcore import Broker

HOST = "127.0.0.1"
# Muster itself has to meet, and refuse, a payload of 1 MiB; the broker must not do it first.
MAX_PAYLOAD = 4 * 1024 * 1024  # bytes
# Unacked messages under way to one client: the largest batch that Muster sees from this broker.
MAX_INFLIGHT = 500

_ROUTER = """\
id = 0

[router]
id = 0
max_connections = 10010
max_outgoing_packet_count = 1000
max_segment_size = 104857600
max_segment_count = 10
"""
_LISTENER = """
[{section}.1]
name = "{section}"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[{section}.1.connections]
connection_timeout_ms = 60000
max_payload_size = {max_payload}
max_inflight_count = {max_inflight}
dynamic_filters = true
"""


def free_port(host: str = HOST) -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def configuration(port: int, port_v5: int, max_inflight: int = MAX_INFLIGHT) -> str:
    """rumqttd's TOML for a broker with a listener of each protocol on loopback."""
    return _ROUTER + "".join(
        _LISTENER.format(section=section, host=HOST, port=number, max_payload=MAX_PAYLOAD, max_inflight=max_inflight)
        for section, number in (("v4", port), ("v5", port_v5))
    )


class EmbeddedBroker:
    """A broker in a child process. Port 0 takes a free one."""

    def __init__(self, port: int = 0, port_v5: int = 0, max_inflight: int = MAX_INFLIGHT) -> None:
        self.host = HOST
        self.port = port or free_port()
        self.port_v5 = port_v5 or free_port()
        self._max_inflight = max_inflight
        self._folder: TemporaryDirectory[str] | None = None
        self._broker: Broker | None = None

    @property
    def is_running(self) -> bool:
        return self._broker is not None and self._broker.is_running

    def start(self) -> Self:
        """Start it, and return when it accepts connections. Raises OSError when a port is taken."""
        if not self.is_running:
            try:
                self._broker = self._configured()
                self._broker.start()
            except BaseException:
                self.stop()
                raise
        return self

    def stop(self) -> None:
        """End the child; safe to call twice."""
        if self._broker is not None:
            self._broker.stop()
            self._broker = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def run_forever(self) -> None:
        """Run it in this process, until that is ended."""
        broker = self._configured()
        self.stop()  # it has read its file, and nothing may be left behind by a signal
        broker.run_forever()

    def _configured(self) -> Broker:
        if self._folder is None:
            self._folder = TemporaryDirectory(prefix="muster-broker-")
        file = Path(self._folder.name) / "rumqttd.toml"
        file.write_text(configuration(self.port, self.port_v5, self._max_inflight))
        return Broker(config_path=str(file))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.broker", description="Run an MQTT broker on loopback.")
    parser.add_argument("--port", type=int, default=1883, help="MQTT 3.1.1 (default 1883)")
    parser.add_argument("--port-v5", type=int, default=0, help="MQTT 5 (default: a free one)")
    words = parser.parse_args()
    broker = EmbeddedBroker(words.port, words.port_v5)
    print(f"MQTT 3.1.1 on {broker.host}:{broker.port}, MQTT 5 on {broker.host}:{broker.port_v5}", flush=True)
    try:
        broker.run_forever()
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
