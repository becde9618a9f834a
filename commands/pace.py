"""How fast something goes over many devices: the flags of it, and the rollout that they make."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, TypedDict

from commands.spec import Call
from fleet.durations import short
from fleet.errors import BadInput
from fleet.rollout import LONGEST, Rollout, part, share, window
from fleet.selector import parse

_NONE = ("", "none", "0")
_LIKE_A_NUMBER = re.compile(r"[-+]?\d[\d.,]*\s*%?")

At = Annotated[
    datetime | None,
    "when it begins, in UTC unless it ends in an offset such as +01:00; without it, once it is approved",
]
MaxFailed = Annotated[str | None, "the part of the devices tried in a wave that may fail before it pauses, such as 5%"]
Stagger = Annotated[timedelta | None, "the time between two devices of one site"]


class Waves(TypedDict, total=False):
    """The flags of every command that goes over its devices wave by wave."""

    canary: Annotated[str | None, "who goes first: a number, a percentage, a selector such as group:canary, or none"]
    wave: Annotated[str | None, "how many of the others go at a time: a number or a percentage; none for all at once"]
    soak: Annotated[timedelta | None, "how long a wave is watched before the next one begins"]


class Pace(Waves, total=False):
    """The flags of those that send something to each device."""

    max_failed: MaxFailed
    concurrency: Annotated[int | None, "how many devices are under way at once"]
    max_unavailable: Annotated[int | None, "how many devices of one site are under way at once"]
    window: Annotated[str | None, "the hours of each site's own day in which anything is sent, such as 22:00-05:00"]


def rollout_of(call: Call, **given: Any) -> Rollout:
    """The rollout of the settings, changed by the flags that were given. Raises BadInput naming the flag."""
    policy = call.settings.campaigns
    chosen: dict[str, Any] = {
        name: getattr(policy, name) for name in Rollout.model_fields if name in type(policy).model_fields
    }
    if chosen["canary"] in _NONE:
        chosen["canary"] = ""
    for name, value in given.items():
        if value is None:
            continue
        flag = f"--{name.replace('_', '-')}"
        match name:
            case "max_failed":
                chosen[name] = part(value, flag)
            case "canary":
                chosen[name] = _canary(value)
            case "wave" if value != "none" and share(value) is None:
                raise BadInput(
                    f"{flag} needs a number of devices or a percentage, like 200 or 20%, {value} is neither. "
                    "Write none for all the others at once.",
                    field=name,
                )
            case "wave" | "last" if value in ("none", "0"):
                chosen[name] = ""
            case "window":
                window(value)
                chosen[name] = value
            case "soak" | "stagger" if value > LONGEST:
                raise BadInput(
                    f"{flag} {short(value)} is too long: a campaign takes at most {short(LONGEST)}.", field=name
                )
            case "concurrency" | "max_unavailable" if value < 1:
                raise BadInput(f"{flag} needs a number of devices, at least 1.")
            case _:
                chosen[name] = value
    return Rollout(**chosen)


def _canary(text: str) -> str:
    """A share, a selector as it was understood, or empty for none. Raises BadInput: `-3` is no selector here."""
    if text in _NONE:
        return ""
    if share(text) is not None:
        return text
    if _LIKE_A_NUMBER.fullmatch(text.strip()):
        raise BadInput(
            f"--canary needs a number of devices from 1, a percentage up to 100%, a selector such as group:canary, or "
            f"none; {text} is no such number. A device whose id looks like a number is written as id:101.",
            field="canary",
        )
    return str(parse(text))  # or BadInput says what is wrong with it
