"""How a command is written, as help and refusals show it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from commands.spec import AnyCommand, Kind, Parameter
from fleet.durations import short


def usage(command: AnyCommand, root: str = "/fleet") -> str:
    """`/fleet diag ping <device> [--within 30]`."""
    rest = [each for each in command.positional if each.kind is Kind.REST]
    words = [_placeholder(each) for each in command.positional if each not in rest]
    flags = [_flag_usage(each) for each in command.flags]
    return " ".join([root, command.words, *words, *flags, *(_placeholder(each) for each in rest)])


def _placeholder(parameter: Parameter) -> str:
    dots = {Kind.WORDS: "…", Kind.REST: "…"}.get(parameter.kind, "")
    name = parameter.hint if "|" in parameter.hint else f"{parameter.word}{dots}"
    if parameter.kind is Kind.SELECTOR:
        name = "selector"
    return f"<{name}>" if parameter.required else f"[{name}]"


def asked_for(parameter: Parameter) -> str:
    """What is said when it is missing."""
    if parameter.kind is Kind.SELECTOR:
        return "Which devices? Name them, or write all for the whole fleet."
    if parameter.kind is Kind.REST:
        what = "Say why" if parameter.word == "why" else f"The {parameter.word} is missing"
        return f"{what}: it is the end of the line."
    if "|" in parameter.hint:
        return f"Which {parameter.word}? It can be {', '.join(parameter.hint.split('|'))}."
    if parameter.hint:
        return f"A {parameter.hint} is missing: {_placeholder(parameter)}."
    return f"Which {parameter.word.replace('-', ' ')}?"


def _flag_usage(parameter: Parameter) -> str:
    if parameter.kind is Kind.SWITCH:
        return f"[{parameter.flag}]"
    value = parameter.hint if "|" in parameter.hint else shown(parameter.default) or f"<{parameter.word}>"
    return f"{parameter.flag} {value}" if parameter.required else f"[{parameter.flag} {value}]"


def shown(default: Any) -> str:
    """A default as it would be typed; empty for None."""
    if isinstance(default, timedelta):
        return short(default)
    return f"{default:g}" if isinstance(default, float) else "" if default is None else str(default)
