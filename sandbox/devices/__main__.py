"""Run a simulated fleet against a broker, without the rest of the sandbox."""

from __future__ import annotations

import argparse
import asyncio
import contextlib

from sandbox.devices import SimulatedFleet, mixed


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.devices", description="Run a simulated fleet.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--prefix", default="", help="mqtt.topic_prefix of Muster")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--version", default="", help="the configuration that all of them report first")
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    fleet = SimulatedFleet(
        mixed(words.count, words.version), words.host, words.port, prefix=words.prefix, seed=words.seed
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(fleet.run())


main()
