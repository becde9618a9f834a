"""The architecture, held by a test: which package may import which, and where each third-party package lives."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HOUSE = ("bot", "commands", "jobs", "storage", "link", "fleet", "sandbox", "bench")

MAY_IMPORT = {
    "fleet": {"fleet"},
    "link": {"link", "fleet"},
    "storage": {"storage", "fleet"},
    "jobs": {"jobs", "storage", "link", "fleet"},
    "commands": {"commands", "storage", "link", "fleet"},
    "bot": {"bot", "commands", "jobs", "storage", "link", "fleet"},
    "sandbox": {"sandbox", "link", "fleet"},
    "bench": set(HOUSE),
}

THIRD_PARTY = {
    "fleet": {"pydantic", "lark", "cryptography"},
    "link": {"pydantic", "pydantic_core", "structlog", "aiomqtt", "paho"},
    "storage": {"pydantic", "structlog", "sqlalchemy", "sqlmodel", "alembic", "filelock", "ulid"},
    "jobs": {"pydantic", "structlog", "sqlalchemy", "matplotlib"},
    "commands": {"pydantic", "structlog", "sqlalchemy"},
    "bot": {
        *(
            "pydantic",
            "pydantic_core",
            "structlog",
            "aiohttp",
            "slack_bolt",
            "slack_sdk",
            "jinja2",
            "yaml",
            "apscheduler",
            "typer",
        ),
        *("rich", "sqlalchemy", "prometheus_client", "cloudevents", "standardwebhooks"),
    },
    "sandbox": {
        *("pydantic", "pydantic_core", "structlog", "aiohttp", "aiomqtt", "cryptography", "filelock", "paho"),
        "iotcore",
    },
}

ONE_HOME = {
    "lark": {"fleet/selector"},
    "cryptography": {"fleet/pki", "sandbox/devices"},
    "paho": {"link", "sandbox/devices"},
}
"""Packages that only these files, or folders, of their layer may import."""


def sources(package: str) -> Iterator[Path]:
    yield from sorted(path for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts)


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it, as a dotted name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            yield node.module or ""


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_arrows_point_down_only(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(package)
        for name in imported(path)
        if (top := name.partition(".")[0]) in HOUSE and top not in MAY_IMPORT[package]
    ]
    assert not wrong


@pytest.mark.parametrize("package", THIRD_PARTY)
def test_each_third_party_package_has_its_home(package: str) -> None:
    known = {*sys.stdlib_module_names, *HOUSE, *THIRD_PARTY[package]}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(package)
        for name in imported(path)
        if name.partition(".")[0] not in known
    ]
    assert not wrong


@pytest.mark.parametrize("package", ONE_HOME)
def test_some_packages_are_known_to_few_files(package: str) -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for layer in ("fleet", "link", "sandbox")
        for path in sources(layer)
        if any(name.partition(".")[0] == package for name in imported(path))
        and not any(str(path.relative_to(ROOT)).startswith(home) for home in ONE_HOME[package])
    ]
    assert not wrong


def test_the_rules_do_no_io_and_have_no_clock() -> None:
    forbidden = {"asyncio", "socket", "time", "random", "os", "subprocess", "threading", "sqlite3", "urllib"}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources("fleet")
        for name in imported(path)
        if name.partition(".")[0] in forbidden
    ]
    wrong += [
        f"{path.relative_to(ROOT)}:{node.lineno} asks for the time"
        for path in sources("fleet")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today")
    ]
    assert not wrong


CATCH_ALL_HOMES = {"bot/router.py", "bot/clock.py", "link/client.py", "link/session.py"}
"""`safely`, the job runner and the receive loop (which has two ends): only they may catch everything and go on."""


@pytest.mark.parametrize("package", [name for name in MAY_IMPORT if name not in ("sandbox", "bench")])
def test_everything_is_caught_in_three_places_only(package: str) -> None:
    wrong = []
    for path in sources(package):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                names = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else {""}
                home = str(path.relative_to(ROOT))
                last = node.body[-1]
                goes_on = not (isinstance(last, ast.Raise) and last.exc is None)  # tidying up and raising on is fine
                if goes_on and names & {"", "Exception", "BaseException"} and home not in CATCH_ALL_HOMES:
                    wrong.append(f"{home}:{node.lineno}")
    assert not wrong


@pytest.mark.parametrize("package", ["jobs", "storage", "commands"])
def test_no_timer_is_a_state(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources(package)
        if path.name != "db.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("call_later", "call_at", "sleep", "Timer")
    ]
    assert not wrong
