"""app.yaml to Settings: reads it, fills in `${NAME}` and `${NAME:-default}`, and says in sentences what is wrong."""

from __future__ import annotations

import difflib
import os
import re
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from fleet.errors import BadInput
from fleet.settings import Settings

_VARIABLE = re.compile(r"\$\$|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")
_UNSET = object()


def load(path: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings in that file. Raises BadInput naming every fault: where it stands, and what to do.

    `${NAME}` must be set in the environment; `${NAME:-text}` stands for the text when it is not set or empty. A value
    that comes out empty counts as not given, so the setting's default holds. `$$` is a dollar sign.
    """
    if not path.exists():
        raise BadInput(
            f"There is no settings file {path}. Start Muster where app.yaml is, or name another file with --settings."
        )
    return from_text(text_of(path), environment, path.name)


def text_of(path: Path) -> str:
    """The text of a file. Raises BadInput if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}.") from None


def from_text(text: str, environment: Mapping[str, str], name: str = "app.yaml") -> Settings:
    """The settings in that YAML text; `name` is what the sentences call it."""
    filled = _Filling(environment).fill(_yaml(text, name), name)
    try:
        return Settings.model_validate(filled)
    except ValidationError as error:
        faults = "\n".join(_sentence(each) for each in error.errors(include_url=False))
        raise BadInput(f"{name} cannot be used:\n{faults}") from None


class _Loader(yaml.SafeLoader):
    """Plain YAML that refuses a key written twice: the second would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value} stands twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _yaml(text: str, name: str) -> dict[str, Any]:
    try:
        content = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise BadInput(f"{name}{line} is not valid YAML: {error.problem or error}.") from None
    except yaml.YAMLError as error:
        raise BadInput(f"{name} is not valid YAML: {error}.") from None
    if not isinstance(content, dict):
        raise BadInput(f"{name} must hold sections such as slack: and mqtt:, each with settings below it.")
    return content


class _Filling:
    """Replaces variables everywhere in the strings of a YAML tree, and collects those that are missing."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._missing: dict[str, list[str]] = {}

    def fill(self, content: dict[str, Any], name: str) -> Any:
        filled = self._fill(content, "")
        if self._missing:
            used = "; ".join(f"{variable} (for {', '.join(places)})" for variable, places in self._missing.items())
            raise BadInput(f"{name} needs these environment variables, which are not set: {used}.")
        return filled

    def _fill(self, value: Any, place: str) -> Any:
        if isinstance(value, dict):
            filled = {key: self._fill(each, f"{place}.{key}".lstrip(".")) for key, each in value.items()}
            return {key: each for key, each in filled.items() if each is not _UNSET}
        if isinstance(value, list):
            items = [self._fill(each, f"{place}[{at}]") for at, each in enumerate(value)]
            return [each for each in items if each is not _UNSET]
        if isinstance(value, str) and "$" in value:
            return _VARIABLE.sub(lambda found: self._variable(found, place), value) or _UNSET
        return value

    def _variable(self, found: re.Match[str], place: str) -> str:
        if found[0] == "$$":
            return "$"
        value = self._environment.get(found["name"], "")
        if not value and found["default"] is None:
            self._missing.setdefault(found["name"], []).append(place)
        return value or found["default"] or ""


def _sentence(error: ErrorDetails) -> str:
    """One of pydantic's errors: `drift.ack_timout: there is no such setting. Did you mean ack_timeout?`"""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).lstrip(".")
    if error["type"] == "extra_forbidden":
        known = _settings_at(error["loc"][:-1])
        near = difflib.get_close_matches(str(error["loc"][-1]), known, n=1)
        return f"{place}: there is no such setting." + (f" Did you mean {near[0]}?" if near else "")
    if error["type"] == "missing":
        return f"{place}: this must be set."
    if error["type"] == "timezone_aware":
        return f"{place}: {error['input']} needs a time zone, as in 2026-12-24T00:00:00+01:00."
    said = error["msg"].removeprefix("Value error, ")
    given = error["input"]
    if isinstance(given, (str, int, float)) and not _is_secret(error["loc"]):
        said += f", not {given!r}"
    return f"{place}: {said[:1].lower()}{said[1:]}." if place else f"{said}."


def _settings_at(loc: tuple[int | str, ...]) -> list[str]:
    """The names of the settings in that section."""
    section = _annotation_at(loc)
    return list(section.model_fields) if isinstance(section, type) and issubclass(section, BaseModel) else []


def _is_secret(loc: tuple[int | str, ...]) -> bool:
    annotation = _annotation_at(loc)
    return SecretStr in (annotation, *typing.get_args(annotation))


def _annotation_at(loc: tuple[int | str, ...]) -> Any:
    """What the setting at that place is declared to be; None where there is none."""
    here: Any = Settings
    for part in loc:
        if isinstance(part, int):
            here = next(iter(typing.get_args(here)), None)
        elif isinstance(here, type) and issubclass(here, BaseModel) and part in here.model_fields:
            here = here.model_fields[part].annotation
        else:
            return None
    return here
