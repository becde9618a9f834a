"""The terms of a selector, and the canonical text of each: parsing it gives the same term back."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from fleet.durations import short
from fleet.lifecycle import DeviceStatus

_BARE = re.compile(r"""[^\s",*<>=-][^\s",*<>=]*""")
_TAG_NAME = re.compile(r"""[^\s",=]+""")


class Field(StrEnum):
    ID = "id"
    SITE = "site"
    MODEL = "model"
    GROUP = "group"
    TARGET = "target"
    REPORTED = "reported"


class Op(StrEnum):
    EQ = "="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="


class State(StrEnum):
    ONLINE = "online"
    OFFLINE = "offline"
    DRIFTED = "drifted"
    UNSEEN = "unseen"


@dataclass(frozen=True, slots=True)
class Value:
    """One value to compare with. With `glob`, `*` stands for any run of characters."""

    text: str
    glob: bool = False

    def matches(self, text: str) -> bool:
        if not self.glob:
            return self.text == text
        return re.fullmatch(".*".join(map(re.escape, self.text.split("*"))), text, re.DOTALL) is not None

    def __str__(self) -> str:
        return self.text if self.glob or _BARE.fullmatch(self.text) else _quoted(self.text)


@dataclass(frozen=True, slots=True)
class VersionTest:
    """One comparison of the firmware's version; `glob` only with `=`, and then the text itself is compared."""

    op: Op
    version: str
    glob: bool = False

    def __str__(self) -> str:
        return f"{'' if self.op is Op.EQ else self.op}{Value(self.version, self.glob)}"


@dataclass(frozen=True, slots=True)
class Match:
    field: Field
    values: tuple[Value, ...]

    def __str__(self) -> str:
        return f"{self.field}:{_listed(self.values)}"


@dataclass(frozen=True, slots=True)
class Status:
    values: tuple[DeviceStatus, ...]

    def __str__(self) -> str:
        return f"status:{_listed(self.values)}"


@dataclass(frozen=True, slots=True)
class Firmware:
    tests: tuple[VersionTest, ...]

    def __str__(self) -> str:
        return f"firmware:{_listed(self.tests)}"


@dataclass(frozen=True, slots=True)
class Tag:
    name: str
    values: tuple[Value, ...] = ()

    def __str__(self) -> str:
        name = self.name if _TAG_NAME.fullmatch(self.name) else _quoted(self.name)
        return f"tag:{name}={_listed(self.values)}" if self.values else f"tag:{name}"


@dataclass(frozen=True, slots=True)
class Seen:
    """`<`: heard less than `ago` before now; `>`: last heard longer ago than that."""

    op: Op
    ago: timedelta

    def __str__(self) -> str:
        return f"seen:{self.op}{short(self.ago)}"


@dataclass(frozen=True, slots=True)
class Is:
    state: State

    def __str__(self) -> str:
        return f"is:{self.state}"


Test = Match | Status | Firmware | Tag | Seen | Is


@dataclass(frozen=True, slots=True)
class Not:
    term: Test

    def __str__(self) -> str:
        return f"-{self.term}"


Term = Test | Not


@dataclass(frozen=True, slots=True)
class Selector:
    """Terms that must all hold. Without terms it means every device."""

    terms: tuple[Term, ...] = ()

    @property
    def everything(self) -> bool:
        return not self.terms

    @property
    def only_id(self) -> str | None:
        """The device's id when the selector is nothing but one id without `*`."""
        match self.terms:
            case (Match(field=Field.ID, values=(Value(text=text, glob=False),)),):
                return text
        return None

    @property
    def exact_ids(self) -> tuple[str, ...]:
        """The ids that it asks for in full, without those that it leaves out: each is meant to be a device's."""
        of_ids = (term for term in self.terms if isinstance(term, Match) and term.field is Field.ID)
        return tuple(dict.fromkeys(value.text for term in of_ids for value in term.values if not value.glob))

    def __str__(self) -> str:
        return " ".join(str(term) for term in self.terms) or "all"


def one(device_id: str) -> Selector:
    """The selector of a single device."""
    return Selector((Match(Field.ID, (Value(device_id),)),))


def _listed(values: Iterable[object]) -> str:
    return ",".join(str(value) for value in values)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
