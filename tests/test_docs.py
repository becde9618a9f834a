"""The documents say what the code does: two pages are made from it, and what the others name or link to exists.

`MUSTER_WRITE_DOCS=1 pytest tests/test_docs.py` writes the pages of settings and commands anew.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import commands
import jobs
from bot.render import span
from commands import grammar
from commands.spec import AnyCommand, Kind, Parameter
from fleet.settings import Section, Settings

ROOT = Path(__file__).parent.parent
SETTINGS_PAGE = ROOT / "docs" / "settings.md"
COMMANDS_PAGE = ROOT / "docs" / "commands.md"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
WHOLE_FLEET = "The whole fleet"


def settings(model: type[Section], path: str = "") -> Iterator[tuple[str, str, str]]:
    """Every setting: its path, its default and its meaning."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from settings(kind, f"{path}{name}.")
        else:
            default = (
                "*required*"
                if field.is_required()
                else "see app.yaml"
                if field.default_factory
                else f"`{shown(field.default)}`"
            )
            yield f"{path}{name}", default, field.description or ""


def shown(value: Any) -> str:
    if isinstance(value, timedelta):
        return span(value)
    if value in (None, "", ()):
        return "empty"
    if isinstance(value, tuple) and isinstance(value[0], Section):
        return "as in app.yaml"
    secret = getattr(value, "get_secret_value", None)
    return str(secret() if secret else value)


def settings_page() -> str:
    rows = [f"| `{path}` | {default} | {meaning} |" for path, default, meaning in settings(Settings)]
    return "\n".join(
        [
            "# Settings",
            "",
            "All of them stand in [app.yaml](../app.yaml) with their defaults. Durations are written `250ms`, `30s`,",
            "`5m`, `24h`, `7d`; `${NAME}` and `${NAME:-text}` come from the environment. This page is made from the",
            "code by `MUSTER_WRITE_DOCS=1 pytest tests/test_docs.py`.",
            "",
            "| setting | default | meaning |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def noun(command: AnyCommand) -> str:
    first, *others = command.words.split()
    return first if others else WHOLE_FLEET


def by_noun() -> dict[str, list[AnyCommand]]:
    """The commands of each noun, as in `commands.ALL`; nouns come in the order of their first command."""
    order = list(dict.fromkeys(map(noun, commands.ALL)))
    in_order = sorted(commands.ALL, key=lambda each: order.index(noun(each)))
    return {name: list(group) for name, group in groupby(in_order, noun)}


def commands_page() -> str:
    groups = by_noun()
    return "\n".join(
        [
            "# Commands",
            "",
            "What can be typed behind `/fleet`, behind a mention of Muster, or in a direct message with it; `/fleet",
            "help` shows the same in Slack, for your role. `<…>` must be given, `[…]` may be. Flags stand anywhere,",
            "but before a text that takes the rest of the line. A flag without a default here is left out, or its",
            "setting in [app.yaml](../app.yaml) holds. Each role may do what those before it may: viewer, operator,",
            "approver, admin.",
            "This page is made from the code by `MUSTER_WRITE_DOCS=1 pytest tests/test_docs.py`.",
            "",
            " · ".join(f"[{name}](#{anchor(name)})" for name in groups),
            "",
            *(line for name, group in groups.items() for line in (f"## {name}", "", *in_full(group))),
        ]
    )


def anchor(title: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def in_full(group: Iterable[AnyCommand]) -> Iterator[str]:
    for each in group:
        yield from (f"### {each.words}", "", f"    {grammar.usage(each)}", "", f"*{each.role}* · {each.summary}", "")
        if each.doc:
            yield from (each.doc, "")
        if flags := [f"- `{flag.flag}`: {described(flag)}" for flag in each.flags]:
            yield from (*flags, "")
        yield from (f"Example: `/fleet {each.example}`", "")
        if each.aliases:
            yield from ("Also: " + ", ".join(f"`/fleet {alias}`" for alias in each.aliases), "")


def described(flag: Parameter) -> str:
    """What a flag is for, what to write behind it, and what holds without it."""
    if flag.kind is Kind.SWITCH:
        return flag.about
    default = grammar.shown(flag.default)
    hint = f" ({flag.hint.replace('|', ', ')})" if flag.hint else ""
    return f"{flag.about}{hint}{f', otherwise `{default}`' if default else ''}"


def test_every_flag_says_what_it_is_for() -> None:
    assert [f"{each.words} {flag.flag}" for each in commands.ALL for flag in each.flags if not flag.about] == []


def test_the_settings_page_says_what_the_code_has() -> None:
    if os.environ.get("MUSTER_WRITE_DOCS"):
        SETTINGS_PAGE.write_text(settings_page())
    assert SETTINGS_PAGE.read_text() == settings_page()


def test_every_setting_has_a_meaning() -> None:
    assert [path for path, _, meaning in settings(Settings) if not meaning] == []


def test_the_commands_page_says_what_the_code_has() -> None:
    if os.environ.get("MUSTER_WRITE_DOCS"):
        COMMANDS_PAGE.write_text(commands_page())
    assert COMMANDS_PAGE.read_text() == commands_page()


def test_every_example_can_be_typed() -> None:
    for each in commands.ALL:
        found = grammar.find(commands.ALL, each.example)
        assert found, each.words
        assert found.command is each
        grammar.bind(found)


def test_the_readme_names_every_noun() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [each for each in {each.words.split()[0] for each in commands.ALL} if f"/fleet {each}" not in readme] == []


def test_every_command_that_a_document_names_exists() -> None:
    """`/fleet noun verb …`; a noun may also stand alone (`/fleet group …`)."""
    known = {"help", *(each.words.split()[0] for each in commands.ALL)}
    wrong = [
        f"{path.relative_to(ROOT)}: {line}"
        for path in DOCUMENTS
        for line in re.findall(r"/fleet ([a-z][a-z-]*(?: [a-z][a-z-]*)?)", path.read_text())
        if line not in known and not line.startswith("help ") and grammar.find(commands.ALL, line) is None
    ]
    assert wrong == []


def test_every_relative_link_leads_somewhere() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {link}"
        for path in DOCUMENTS
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text())
        if "://" not in link and not (path.parent / link).exists()
    ]
    assert wrong == []


def test_the_readme_leads_to_every_document() -> None:
    readme = (ROOT / "README.md").read_text()
    names = [str(path.relative_to(ROOT)) for path in DOCUMENTS if path.name != "README.md"]
    assert [name for name in names if f"({name})" not in readme] == []


def test_every_job_says_what_it_is_for() -> None:
    assert [job.name for job in jobs.ALL if not job.purpose.endswith(".")] == []


def test_nothing_names_a_package_registry() -> None:
    hosts = ("pypi" + ".org", "pythonhosted" + ".org", "registry.npmjs" + ".org", "deb.debian" + ".org")
    texts = [*ROOT.glob("*"), *ROOT.glob("docs/**/*"), *ROOT.glob("deploy/**/*"), ROOT / ".ci" / "run"]
    wrong = [
        str(path.relative_to(ROOT))
        for path in texts
        if path.is_file() and path.suffix not in (".db", ".png") and any(host in path.read_text() for host in hosts)
    ]
    assert wrong == []
