from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

import pytest
from structlog.testing import capture_logs

from bot.render import render
from bot.router import Router
from commands.spec import AnyCommand, Call, command
from fleet.errors import BadInput, Busy, not_found
from fleet.message import Message
from fleet.roles import Person, Role
from fleet.settings import Settings
from storage.db import Database

VIEWER = Person("U0VIEWER", Role.VIEWER, "not named in app.yaml, so roles.everyone holds")
ADMIN = Person("U0ADMIN", Role.ADMIN, "named in roles.admin.users")
NOBODY = Person("U0NOBODY", Role.NONE)


@command("diag ping", role=Role.VIEWER, aliases=("ping",), example="diag ping dev-1 --within 10")
async def ping(call: Call, device: str, *, within: Annotated[float, "seconds to wait"] = 30.0) -> Message:
    """Ask one device to answer.

    The device has to be online.
    """
    return Message(template="said", data={"device": device, "within": within, "by": call.person.id, "now": call.now})


@command("diag logs", role=Role.OPERATOR)
async def logs(call: Call, device: str) -> Message:
    """Fetch the logs of a device."""
    raise not_found("device", device, ["dev-1"])


@command("fleet wipe", role=Role.ADMIN)
async def wipe(
    call: Call,
    *,
    how: Annotated[str, "how to do it"] = "gently",
    force: Annotated[bool, "although it is in use"] = False,
) -> Message:
    """Wipe all of it."""
    if how == "crash":
        raise RuntimeError("the token is xoxb-secret")
    if how == "busy":
        raise Busy("The database is busy. Try again in a moment.")
    raise BadInput(f"{how} is no way to do it. Did you mean softly?", f"fleet wipe --how {'s' * 2000}")


ALL: tuple[AnyCommand, ...] = (ping, logs, wipe)


@pytest.fixture
async def router(settings: Settings, sqlite_url: str) -> AsyncIterator[Router]:
    db = Database(settings.database.model_validate({"url": sqlite_url}))
    yield Router(ALL, settings, db)
    await db.close()


async def answer(router: Router, line: str, person: Person, now: datetime) -> Message:
    message = await router.answer(line, person, "C0CHANNEL", now)
    if message.template != "said":
        assert render(message).blocks
    return message


@pytest.mark.parametrize(
    "line", ["diag ping dev-1 --within 5", "/fleet diag ping dev-1 —within 5", "PING dev-1 --within=5"]
)
async def test_a_line_runs_its_command_as_the_person(router: Router, now: datetime, line: str) -> None:
    said = await answer(router, line, VIEWER, now)
    assert said.data == {"device": "dev-1", "within": 5.0, "by": "U0VIEWER", "now": now}


@pytest.mark.parametrize(
    ("line", "person", "said"),
    [
        (
            "diag logs dev-1",
            VIEWER,
            "/fleet diag logs needs the role operator; yours is viewer (not named in app.yaml, so roles.everyone "
            "holds). Roles are given in app.yaml under roles.operator: ask whoever runs Muster.",
        ),
        ("diag logs", VIEWER, "needs the role operator"),
        ("diag ping dev-1", NOBODY, "needs the role viewer; yours is none."),
        ("diag logs dev-2", ADMIN, "There is no device called dev-2. Did you mean dev-1?"),
        ("fleet wipe --how busy", ADMIN, "The database is busy."),
        ("make coffee", VIEWER, "There is no command make coffee. /fleet help lists all of them."),
        ("help make coffee", VIEWER, "There is no command make coffee."),
        (
            "diag ping",
            VIEWER,
            "Which device?\nFor example: /fleet diag ping dev-1 --within 10\n"
            "Usage: /fleet diag ping <device> [--within 30]",
        ),
    ],
)
async def test_a_refusal_is_a_sentence(router: Router, now: datetime, line: str, person: Person, said: str) -> None:
    message = await answer(router, line, person, now)
    assert message.template == "problem"
    assert said in message.data["text"]
    assert message.data["reference"] is None
    assert not message.buttons


@pytest.mark.parametrize(
    ("line", "person", "run"),
    [
        ("diag pign dev-1", VIEWER, "diag ping dev-1"),
        ("diag ping dev-1 --witin 3", VIEWER, "diag ping dev-1 --within 3"),
        ("help diag pign", VIEWER, "help diag ping"),
        ("diag lgos dev-1", VIEWER, None),
        ("diag lgos dev-1", ADMIN, "diag logs dev-1"),
        ("diag pign", ADMIN, None),
        ("fleet wipe --how x", ADMIN, None),
    ],
)
async def test_a_correction_is_a_button_if_it_can_be_run_by_the_person(
    router: Router, now: datetime, line: str, person: Person, run: str | None
) -> None:
    message = await answer(router, line, person, now)
    assert "Did you mean" in message.data["text"]
    assert [button.run for button in message.buttons] == ([run] if run else [])
    for button in message.buttons:
        assert (await answer(router, button.run, person, now)).template != "problem" or "logs" in button.run


@pytest.mark.parametrize("line", ["diag nonsense", "help diag nonsense"])
async def test_a_noun_with_an_unknown_verb_offers_the_help_of_the_noun(
    router: Router, now: datetime, line: str
) -> None:
    message = await answer(router, line, VIEWER, now)
    assert [button.run for button in message.buttons] == ["help diag"]


async def test_a_fault_shows_a_reference_and_nothing_internal(router: Router, now: datetime) -> None:
    with capture_logs() as logged:
        message = await answer(router, "fleet wipe --how crash", ADMIN, now)
    reference = message.data["reference"]
    assert reference.startswith("ref-")
    assert "secret" not in str(render(message))
    assert [(entry["reference"], entry["command"], entry["person"]) for entry in logged] == [
        (reference, "fleet wipe", "U0ADMIN")
    ]


@pytest.mark.parametrize("line", ["", "  ", "help", "HELP", "/fleet", "?", "--help"])
async def test_help_shows_what_the_person_may_do(router: Router, now: datetime, line: str) -> None:
    message = await answer(router, line, VIEWER, now)
    assert message.template == "help/index"
    listed = [each["words"] for group in message.data["groups"] for each in group["commands"]]
    assert listed == ["diag ping"]
    assert message.data["hidden"] == 2


@pytest.mark.parametrize("line", ["help diag", "diag"])
async def test_a_noun_alone_shows_its_commands(router: Router, now: datetime, line: str) -> None:
    message = await answer(router, line, ADMIN, now)
    listed = [each["words"] for group in message.data["groups"] for each in group["commands"]]
    assert listed == ["diag ping", "diag logs"]


async def test_help_for_somebody_without_a_role_says_so(router: Router, now: datetime) -> None:
    text = str(render(await answer(router, "help", NOBODY, now)).blocks)
    assert "There is nothing here that you may do as none." in text


@pytest.mark.parametrize(
    "line", ["help diag ping", "help ping", "diag ping --help", "diag ping -h", "help diag ping x"]
)
async def test_help_for_a_command_shows_all_of_it(router: Router, now: datetime, line: str) -> None:
    message = await answer(router, line, VIEWER, now)
    assert message.template == "help/command"
    assert message.data["usage"] == "/fleet diag ping <device> [--within 30]"
    assert message.data["doc"] == "The device has to be online."
    within = {"flag": "--within", "switch": False, "hint": "number", "default": "30", "about": "seconds to wait"}
    assert message.data["flags"] == [within]
    assert message.data["example"] == "diag ping dev-1 --within 10"
    assert message.data["allowed"]


async def test_help_says_what_each_flag_is_for_and_what_holds_without_it(router: Router, now: datetime) -> None:
    text = str(render(await answer(router, "help fleet wipe", ADMIN, now)).blocks)
    assert "`--how`  how to do it, otherwise gently" in text
    assert "`--force`  although it is in use" in text


async def test_help_for_a_command_out_of_reach_says_which_role_it_needs(router: Router, now: datetime) -> None:
    message = await answer(router, "help fleet wipe", VIEWER, now)
    assert (message.data["needs"], message.data["role"], message.data["allowed"]) == ("admin", "viewer", False)


def test_two_commands_of_one_name_are_refused(settings: Settings, sqlite_url: str) -> None:
    db = Database(settings.database.model_validate({"url": sqlite_url}))
    with pytest.raises(ValueError, match="diag ping"):
        Router([ping, ping], settings, db)
