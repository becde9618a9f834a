"""`python -m bench [name…] [--quick] [--json FILE]`: exit code 1 when a goal is missed, but for `--quick`."""

from __future__ import annotations

import argparse
import gc
import importlib
import signal
import sys
from pathlib import Path

from rich.console import Console

from bench import report
from bench.measure import Result
from bench.size import FULL, QUICK, Size
from bot import logs
from fleet.settings import LogSettings

BENCHES = ("ingest", "drift-query", "sweep-idle", "push", "audit", "campaign", "stop-all", "status", "commands", "diag")


def measured(name: str, size: Size) -> Result:
    """Run one bench."""
    module = importlib.import_module(f"bench.{name.replace('-', '_')}")
    gc.freeze()  # as `muster` does with all that it has imported
    result: Result = module.run(size)
    return result


def _console() -> Console:
    """As wide as the table where the output is no terminal: a file can be scrolled."""
    return Console() if sys.stdout.isatty() else Console(width=140)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Muster beside its floor, in turns.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"which: {', '.join(BENCHES)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it runs, not how fast it is")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample as JSON")
    words = parser.parse_args()
    if unknown := set(words.names) - set(BENCHES):
        parser.error(f"there is no bench called {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that broker and children are ended with it
    logs.set_up(LogSettings(level="warning"))
    console, results = _console(), []
    for name in words.names or BENCHES:
        console.print(f"{name} …", style="dim")
        results.append(measured(name, QUICK if words.quick else FULL))
    report.show(results, console)
    if words.json:
        report.write(results, words.json)
    missed = any(figure.met is False for result in results for figure in result.figures)
    return 1 if missed and not words.quick else 0


if __name__ == "__main__":
    sys.exit(main())
