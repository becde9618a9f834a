"""Every command as people type it, and the buttons under the answers, on a small fleet."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiomqtt
import pytest

import commands
from fleet.roles import Role
from sandbox.workspace import APPROVER1, FLEET_OPS, ONCALL, OPERATOR, VIEWER, SeenMessage
from tests.brokers import RunningBroker
from tests.build import NEW, OLD
from tests.conftest import NOW
from tests.walks.conftest import House, a_house, eventually, say

TYPED = {
    "status": ["*Devices*\n*4*", "*Drifted*\n*2*", "*Open alerts*\n*1*", "rejected", "pushing"],
    "find site:oslo": ["*3 devices* for `site:oslo`", "dev-1", "dev-2", "dev-3"],
    "device show dev-1": ["dev-1", ":warning: drifted", f"`{OLD}`", f"`{NEW}`", "Its drift case is *rejected*."],
    "drift list": ["*2 devices with an open drift case*", "dev-1", "dev-2", "pushing", "rejected"],
    "drift show dev-1": ["It refused the configuration: `no room`", "Escalated", "attempt 1 of 4"],
    "drift sweep": ["The sweep begins now. *2 devices* drifted; 2 cases already open."],
    "drift retry dev-2": [f"`{NEW}` is pushed to `dev-2` again, with all its retries."],
    "config show": ["The newest configurations", OLD, NEW],
    f"config show {NEW}": [f"Configuration {NEW}", "4 devices", '"version"', "SHA-256"],
    'config add 2026.3.0 {"sampling_s": 30}': ["Configuration `2026.3.0` is kept."],
    "config assign 2026.3.0 dev-3": ["`2026.3.0` is now the target of `dev-3`"],
    "alert list": ["*1 alert not resolved*", "`dev-1`", "open"],
    "alert ack {alert}": ["You took the alert for `dev-1`."],
    "config diff dev-1": ["What differs on dev-1", "*1 key differs*"],
    "device move dev-4 oslo": ["*Move dev-4 to oslo*: no approval is needed"],
    "drift snooze dev-2 2h": ["The drift of `dev-2` is escalated not before"],
    "why dev-1": ["Why dev-1 is active", "drift found", "alert opened: drift"],
    "audit": ["needs the role approver"],
    "rule list": ["high-cpu", "not heard for 30m"],
    "rule add cold cpu --above 90 --for 10m site:oslo": ["cpu at 90 % or more for 10m", "3 devices"],
    "rule change cold --above 95": ["cpu at 95 % or more for 10m"],
    "rule disable cold": ["The rule is disabled"],
    "rule enable cold": ["The rule is enabled"],
    "rule show cold": ["`site:oslo`"],
    "rule remove cold": ["The alert rule `cold` is removed"],
    "alert show {alert}": ["dev-1", "State"],
    "alert snooze {alert} 1h": ["The alert for `dev-1` is silent until"],
    "alert snooze {alert} 0": ["The snooze is ended"],
    "alert investigate {alert}": ["dev-1"],
    "alert resolve {alert}": ["--force"],
    "bulk retag env environment": ["No device has the tag env"],
    "bulk retag-undo 7QK2ZD": ["There is no renaming called 7QK2ZD"],
    "bulk retags": ["No tag was renamed yet"],
    "group save north site:oslo": ["`group:north` means `site:oslo`: 3 devices at the moment"],
    "group add few dev-1 dev-2": ["2 devices put on `few`"],
    "group remove few dev-2": ["1 device taken off `few`"],
    "group show few": ["static list", "`dev-1`"],
    "group list": ["north", "site:oslo", "few"],
    "group delete few": ["`few` is deleted"],
    f"firmware add 2.0 https://example.com/2.0.bin {'0f' * 32} 1000 --model gw2": ["Firmware `2.0` is kept for `gw2`"],
    "firmware list": ["2.0", "gw2"],
    "firmware show 2.0": ["Model gw2", "https://example.com/2.0.bin", "0f0f"],
    "dashboard add wall https://example.com/d/1 group:north": ["is linked at the devices of `group:north`"],
    "dashboard list": ["wall", "`group:north`"],
    "dashboard remove wall": ["`wall` is no longer linked"],
    "bulk config 2026.3.0 site:oslo": ["Nothing happens before it is approved.", "*Sites*", "Ask for approval"],
    "bulk restart site:oslo --stagger 10s": ["Restart of site:oslo", "Stagger at a site"],
    "bulk list": ["*Campaigns*", "planned"],
    **{
        f"bulk {verb} 7QK2ZD": ["There is no campaign called 7QK2ZD"]
        for verb in ("show", "ask", "pause", "resume", "abort", "retry", "top-up", "rehearse")
    },
    "bulk firmware 2.0 site:oslo": ["Firmware 2.0", "Ask for approval"],
    "bulk rotate-certs dev-1": ["None of the devices that match", "it has no certificate that is known here"],
    "bulk decommission dev-4": ["Decommission of id:dev-4", "This cannot be undone"],
    "bulk checklist 7QK2ZD": ["There is no campaign called 7QK2ZD"],
    "bulk exclude 7QK2ZD model:gw9": ["There is no campaign called 7QK2ZD"],
    "bulk stop-all": ["needs the role approver"],
    "bulk go-on": ["needs the role approver"],
    "billing": ["Billing 2026-03, so far"],
    "device register dev-9 --site oslo --model gw2": ["dev-9"],
    "device provision dev-9": ["There is no CA here."],
    "device cert dev-1": ["Certificates of dev-1", "It has no valid certificate."],
    "device renew dev-1": ["`dev-1` is asked for a request for a new certificate"],
    "device revoke dev-1 lost": ["needs the role approver"],
    "device maintain dev-4 --for 2h": ["*Maintenance of dev-4*: no approval is needed"],
    "device extend dev-3 1h": ["dev-3 has no maintenance window."],
    "device unplan dev-3": ["dev-3 has no maintenance window."],
    "device activate dev-3": ["dev-3: It is active already."],
    "device suspend dev-4 the invoice is not paid": ["*Suspend dev-4*: no approval is needed"],
    "device decommission dev-99 broken": ["There is no device called dev-99"],
    "device keep dev-4 it is still needed": ["dev-4 does not wait to be decommissioned."],
    "diag ping dev-4": ["dev-4", "offline"],
    "diag metrics dev-4": ["dev-4", "offline"],
    "diag logs dev-4": ["dev-4", "offline"],
    "diag history dev-4": ["dev-4"],
    "diag show 7QK2ZD": ["There is no diagnostic request called 7QK2ZD."],
    "approve list": ["Nothing waits for approval."],
    "approve show 7QK2ZD": ["There is no request called 7QK2ZD"],
    "approve yes 7QK2ZD": ["There is no request called 7QK2ZD"],
    "approve no 7QK2ZD": ["There is no request called 7QK2ZD"],
    "approve cancel 7QK2ZD": ["There is no request called 7QK2ZD"],
    "approve break-glass 7QK2ZD now": ["needs the role admin"],
}
"""What is typed, and the words that must be in the answer. `{alert}` is the end of the open alert's id."""


@pytest.fixture
async def fleet(sqlite_url: str, broker: RunningBroker, line: aiomqtt.Client) -> AsyncIterator[House]:
    """dev-1 has refused its configuration and stands in #fleet-ops, dev-2 is pushed to, others are fine."""
    async with a_house(sqlite_url, broker.port) as house:
        await house.register("dev-1", "dev-2", reported_config_version=OLD, last_seen_at=NOW)
        await house.register("dev-3", last_seen_at=NOW)
        await house.register("dev-4", site="bergen")
        await house.settle()
        await say(line, "dev-1/config/ack", {"version": NEW, "status": "rejected", "error": "no room"})
        await house.in_state("rejected")
        await house.settle()
        yield house


async def alert_of(house: House) -> SeenMessage:
    [post] = await house.posts()
    return post


async def test_every_command_answers_what_it_is_asked(fleet: House) -> None:
    typed = {tuple(each.words.split()) for each in commands.ALL}
    assert {name for name in typed if not any(tuple(line.split())[: len(name)] == name for line in TYPED)} == set()
    [row] = await fleet.alerts()
    for line, words in TYPED.items():
        answer = await fleet.types(line.replace("{alert}", row.id[-6:]))
        assert [each for each in words if each not in answer.words] == [], f"{line}: {answer.words}"
        [message] = answer.answers
        assert message.ephemeral_to == OPERATOR
    await fleet.settle()
    assert (await fleet.in_state("pushing", "dev-3")).target_version == "2026.3.0"
    assert "Acknowledged by" in (await alert_of(fleet)).words


@pytest.mark.parametrize("line", ["", "help", "/fleet help"])
async def test_help_lists_what_the_person_may_do(house: House, line: str) -> None:
    if not line:
        run = await house.ws.command(OPERATOR, FLEET_OPS, "/fleet")
        assert run.error is None
    else:
        run = await house.types(line)
    listed = dict(each.removeprefix("*").split("*  ", 1) for each in run.words.splitlines() if "*  " in each)
    for command in commands.ALL:
        noun, _, verb = command.words.partition(" ")
        shown = noun in listed and (not verb or f"`{verb}`" in listed[noun])
        assert shown == Role.OPERATOR.reaches(command.role), command.words
    assert "Your role is *operator* (named in roles.operator.users)" in run.words

    seen = (await house.types("help", VIEWER)).words
    assert "*drift*  `list` · `show`\n" in seen
    assert "not shown: a higher role is needed." in seen


async def test_help_for_a_noun_and_for_one_command(house: House) -> None:
    below = (await house.types("help drift")).words
    assert "What you can do with drift" in below
    assert all(f"/fleet drift {each}" in below for each in ("list", "show <device>", "sweep", "retry <device>"))
    assert "/fleet alert" not in below
    one = (await house.types("help find")).words
    assert "/fleet find <selector> [--after <after>]" in one
    assert "Example: `/fleet find site:oslo model:gw2 is:drifted`" in one
    assert "Needs the role *viewer*; yours is operator." in one


async def test_a_typo_is_answered_with_a_button_that_runs_what_was_meant(fleet: House) -> None:
    wrong = await fleet.types("drfit show dev-2")
    assert "There is no command drfit show. Did you mean /fleet drift show?" in wrong.words
    [message] = wrong.answers
    assert message.buttons == ["Run: drift show dev-2"]
    right = await fleet.clicks(message, "Run: drift show dev-2")
    assert "Drift of dev-2" in right.words


async def test_the_next_page_of_a_find_goes_on_behind_the_last_device(house: House) -> None:
    await house.register(*(f"dev-{number:02}" for number in range(1, 46)))
    run = await house.types("find site:oslo")
    page = run.answers[0]
    for here, not_yet in (("dev-20", "dev-21"), ("dev-40", "dev-41"), ("dev-45", "Next page")):
        page = await house.ws.wait_for_message(FLEET_OPS, contains=here, user=OPERATOR)
        assert "45" in page.words
        assert not_yet not in page.words
        if "Next page" in page.buttons:
            run = await house.ws.click(OPERATOR, page.ts, "Next page")
            assert run.error is None
    assert "dev-41" in page.words


async def test_the_buttons_under_an_escalation_do_what_they_say_for_an_operator(fleet: House) -> None:
    alert = await alert_of(fleet)
    assert alert.buttons == ["Acknowledge", "Retry push", "Ping", "Logs", "Show device", "Snooze 1 h"]
    assert "Drift of" not in alert.words
    assert "dev-1" in (await fleet.clicks(alert, "Show device")).words
    assert f"`{NEW}` is pushed to `dev-1` again" in (await fleet.clicks(alert, "Retry push")).words
    await fleet.settle()
    assert (await fleet.in_state("pushing")).rounds == 2
    assert "You took the alert" in (await fleet.clicks(alert, "Acknowledge")).words
    await fleet.settle()
    assert (await alert_of(fleet)).buttons == ["Retry push", "Ping", "Logs", "Show device"]


async def test_the_buttons_under_an_escalation_are_refused_to_a_viewer_with_a_sentence(fleet: House) -> None:
    alert = await alert_of(fleet)
    for button, command in {"Acknowledge": "alert ack", "Retry push": "drift retry"}.items():
        refused = await fleet.clicks(alert, button, VIEWER)
        assert f"/fleet {command} needs the role operator; yours is viewer" in refused.words
        assert refused.answers[0].ephemeral_to == VIEWER
    assert "Its drift case is *rejected*." in (await fleet.clicks(alert, "Show device", VIEWER)).words
    await fleet.settle()
    assert (await alert_of(fleet)).buttons == ["Acknowledge", "Retry push", "Ping", "Logs", "Show device", "Snooze 1 h"]
    assert len(await fleet.operations()) == 1


async def test_of_two_people_who_acknowledge_the_second_is_told_who_was_faster(fleet: House) -> None:
    alert = await alert_of(fleet)
    assert "You took the alert" in (await fleet.clicks(alert, "Acknowledge", ONCALL)).words
    late = await fleet.clicks(alert, "Acknowledge", APPROVER1)  # the message is not edited yet
    assert f"<@{ONCALL}> has acknowledged the alert for dev-1 already." in late.words
    await fleet.settle()
    assert f"Acknowledged by <@{ONCALL}>" in (await alert_of(fleet)).words


async def test_a_double_click_acknowledges_once(fleet: House) -> None:
    alert = await alert_of(fleet)
    runs = [await fleet.ws.click(OPERATOR, alert.ts, "Acknowledge") for _ in range(2)]

    async def answers() -> list[str] | None:
        said = [(await fleet.ws.answers(run.id)).words for run in runs]
        return said if all(said) else None

    said = " ".join(await eventually(answers))
    assert said.count("You took the alert for `dev-1`.") == 1
    assert said.count(f"<@{OPERATOR}> has acknowledged the alert for dev-1 already.") == 1
    await fleet.settle()
    assert len(await fleet.posts()) == 1
    assert len(await fleet.ws.journal(method="chat.update")) == 1
