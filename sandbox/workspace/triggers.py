"""trigger_ids: each opens or pushes one view, within three seconds of what the person did.

Source: Slack's "Handling user interaction", triggers.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from dataclasses import dataclass

from sandbox.workspace.errors import SlackError
from sandbox.workspace.state import State

LIVES = 3.0
KEPT = 5000


@dataclass(slots=True)
class _Trigger:
    user: str
    issued: float
    used: bool = False


class Triggers:
    def __init__(self, state: State) -> None:
        self._state = state
        self._issued: OrderedDict[str, _Trigger] = OrderedDict()
        self._numbers = itertools.count(1)

    def issue(self, user: str) -> str:
        now = self._state.clock()
        trigger = f"{next(self._numbers)}.{int(now)}.{self._state.next_id('trigger').lower()}"
        self._issued[trigger] = _Trigger(user, now)
        while len(self._issued) > KEPT:
            self._issued.popitem(last=False)
        return trigger

    def take(self, trigger_id: str) -> str:
        """Whose trigger it is. Raises `invalid_trigger_id`, `expired_trigger_id` or `exchanged_trigger_id`."""
        trigger = self._issued.get(trigger_id)
        if trigger is None:
            raise SlackError("invalid_trigger_id")
        if trigger.used:
            raise SlackError("exchanged_trigger_id")
        if self._state.clock() - trigger.issued > LIVES:
            raise SlackError("expired_trigger_id")
        trigger.used = True
        return trigger.user
