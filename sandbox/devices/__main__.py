"""Run a simulated fleet against a broker, without the rest of the sandbox."""

from __future__ import annotations

import argparse
import asyncio
import contextlib

from sandbox.devices import Behaviour, SimulatedFleet, mixed
from sandbox.devices.device import EACH_OF_TWENTY


def _share(text: str) -> tuple[Behaviour, float]:
    behaviour, _, share = text.partition("=")
    return Behaviour(behaviour), float(share)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.devices", description="Run a simulated fleet.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--prefix", default="", help="mqtt.topic_prefix of Muster")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--version", default="", help="the configuration that all of them report first")
    parser.add_argument(
        "--share",
        action="append",
        default=[],
        type=_share,
        metavar="BEHAVIOUR=SHARE",
        help=f"such as offline=0.05, once for each behaviour ({', '.join(Behaviour)}); the others are prompt",
    )
    parser.add_argument("--rejecting-model", help="gw2, gw3 or meter-1: all of these refuse what they are told")
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    shares = dict(words.share) or EACH_OF_TWENTY
    devices = mixed(words.count, words.version, shares=shares, rejecting_model=words.rejecting_model)
    fleet = SimulatedFleet(devices, words.host, words.port, prefix=words.prefix, seed=words.seed)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(fleet.run())


main()
