"""`muster`, and `python -m bot`."""

from __future__ import annotations

import gc


def main() -> None:
    """The console script. What is imported stays, so no collection of garbage looks through it, now or later."""
    gc.disable()
    from bot.cli import main as muster

    gc.freeze()
    gc.enable()
    muster()


if __name__ == "__main__":
    main()
