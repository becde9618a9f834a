"""The documents say what the code does: the settings page is made from the models, commands and jobs are all named.

`MUSTER_WRITE_DOCS=1 pytest tests/test_docs.py` writes the settings page anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import commands
import jobs
from bot.render import span
from fleet.settings import Section, Settings

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "settings.md"


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


def page() -> str:
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


def test_the_settings_page_says_what_the_code_has() -> None:
    if os.environ.get("MUSTER_WRITE_DOCS"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page()


def test_every_setting_has_a_meaning() -> None:
    assert [path for path, _, meaning in settings(Settings) if not meaning] == []


def test_the_readme_names_every_command() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [each.words for each in commands.ALL if f"/fleet {each.words}" not in readme] == []


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
