"""`make demo`: the main job on a fleet of 200 simulated devices, in a stand-in Slack workspace in the browser."""

from __future__ import annotations

import argparse
import asyncio
import errno
import signal
import sys
from pathlib import Path

from sandbox.demo import Demo, DemoRunning, MusterEnded

_WELCOME = """
------------------------------------------------------------------------------------------
  Muster's demo is up. Open this page in a browser:

      {url}

  200 simulated devices run an old configuration, and 4 more come fresh from the factory.
  Within 2 minutes Muster finds the drift, pushes, retries, and escalates in #fleet-ops what
  people must look at; the new ones claim their certificates. A day of waiting takes a minute
  here; the deadlines are in sandbox/demo.yaml.

  Try, as olga the operator (switch people at the top of the page):
      /fleet                          what you can do
      /fleet status                   the whole fleet at a glance
      /fleet drift list               who is drifted, and what is being done
      /fleet find site:oslo is:drifted               --csv for all of them as a file
      @Muster drift list              the same in a thread; plain words in direct messages
      /fleet diag logs prompt-002     its log, in the thread; also ping and metrics
      /fleet diag ping site:oslo      a whole site at once, with a picture and a CSV file
      /fleet device show never-acks-001
      /fleet config assign 2026.10.0 prompt-001      give one device the old configuration
  and press Acknowledge, Retry push or Show device under an escalation.

  What asks for approval waits in #fleet-ops and on Muster's Home (Direct messages, Muster):
      /fleet bulk retag env stage     as olga; then switch to amir or ada, who approve
      /fleet bulk restart site:oslo   a campaign: preview, approval, canaries, waves, a gate
      /fleet device decommission prompt-001 "worn out"     two approve, and type the number
      /fleet approve list             who is in @approvers is ticked on the left; kim is admin

  In a second shell, what is typed on the machine of the bot:
      (set -a; . {folder}/environment; .venv/bin/muster audit verify)      also: muster doctor

  Muster is process {pid}. Kill it in the middle of a campaign (kill -9 {pid}): it is started
  again, and goes on.

  Ctrl+C ends it. Everything lies in {folder}, which each start makes anew.
------------------------------------------------------------------------------------------
"""


_TAKEN = """The demo cannot start: another program listens on port {port} already. Start it on a free port with:
.venv/bin/python -m sandbox --port 0"""


async def _main(port: int, folder: Path) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    print("The demo starts; that takes a few seconds.", flush=True)
    async with Demo(folder, port).running() as demo:
        await demo.connected()
        print(_WELCOME.format(url=demo.workspace.url, folder=folder, pid=demo.muster.pid), flush=True)
        stopping = asyncio.create_task(stop.wait())
        ended = asyncio.create_task(demo.ended())
        await asyncio.wait([stopping, ended], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if ended.done():
            ended.result()
        ended.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8370, help="of the page, on loopback; 0 takes a free one")
    parser.add_argument("--folder", type=Path, default=Path(".demo"), help="made anew for the registry and its files")
    asked = parser.parse_args()
    try:
        asyncio.run(_main(asked.port, asked.folder))
    except DemoRunning as refused:
        sys.exit(str(refused))
    except (MusterEnded, OSError) as fault:
        if isinstance(fault, OSError) and fault.errno == errno.EADDRINUSE:
            sys.exit(_TAKEN.format(port=asked.port))
        sys.exit(f"The demo cannot go on: {fault}")


main()
