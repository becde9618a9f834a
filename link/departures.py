"""When questions left, on the monotonic clock of this process: a measurement, not a state. A restart forgets it."""

from __future__ import annotations

from collections import OrderedDict

_MOST = 50_000


class Departures:
    """The moments at which messages with a name left, in seconds; the oldest are forgotten beyond `_MOST`."""

    def __init__(self) -> None:
        self._left: OrderedDict[str, float | None] = OrderedDict()

    def note(self, name: str, at: float) -> None:
        """It leaves now. One that leaves a second time is ambiguous: nobody can tell which of the two is answered."""
        self._left[name] = None if name in self._left else at
        if len(self._left) > _MOST:
            self._left.popitem(last=False)

    def of(self, name: str) -> float | None:
        """When it left; None if that is not known here."""
        return self._left.get(name)
