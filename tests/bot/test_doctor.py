"""What doctor names, each with its level, through the stand-in workspace and real brokers."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from sqlalchemy import text

from bot import doctor, screen
from bot.doctor import Finding, Level, approvals, audit, broker, registry, slack
from bot.doctor.finding import fine, problem, warning
from fleet.settings import AuditSettings, DatabaseSettings, MqttSettings, Settings
from link import probe
from sandbox.broker import free_port
from sandbox.workspace import (
    APP_TOKEN,
    APPROVER1,
    APPROVER2,
    BOT_TOKEN,
    FLEET_OPS,
    GROUP_ONCALL,
    OPERATOR,
    RateLimits,
    Workspace,
)
from sandbox.workspace.ids import SCOPES
from storage.db import Database
from tests.brokers import embedded_broker, mosquitto_broker
from tests.conftest import NOW, settings_for
from tests.workspaces import slack_for


def now() -> datetime:
    return NOW


async def listed(findings: AsyncIterator[Finding]) -> list[Finding]:
    return [each async for each in findings]


def named(findings: list[Finding], part: str) -> list[Finding]:
    return [each for each in findings if each.part == part]


def settings(ws: Workspace, **sections: Any) -> Settings:
    return settings_for(slack=slack_for(ws, **sections.pop("slack", {})), **sections)


def workspace(**more: Any) -> Workspace:
    return Workspace.start(limits=RateLimits(enabled=False), **{"clock": NOW.timestamp, **more})


async def of_slack(clock: Callable[[], datetime] = now, *, scopes: tuple[str, ...] = SCOPES, **sections: Any) -> Any:
    async with workspace(scopes=scopes) as ws:
        return await listed(slack.check(settings(ws, **sections), clock))


async def test_a_workspace_that_is_set_up_right_gives_nothing_to_mend() -> None:
    roles = {"operator": {"users": [OPERATOR], "groups": [GROUP_ONCALL]}}
    found = await of_slack(roles=roles, alerts={"ladder": [{"after": "5m", "mention": f"<!subteam^{GROUP_ONCALL}>"}]})
    assert [each.part for each in found] == ["bot token", "clock", "app token", "scopes", "ops channel", "people"]
    assert {each.level for each in found} == {Level.FINE}


async def test_a_wrong_bot_token_is_named_and_nothing_more_is_asked() -> None:
    (found,) = await of_slack(slack={"bot_token": "xoxb-wrong"})
    assert (found.level, found.part) == (Level.PROBLEM, "slack.bot_token")
    assert "invalid_auth" in found.said
    assert "Copy it anew" in found.mend


async def test_a_bot_token_in_place_of_the_app_token_is_named() -> None:
    (found,) = named(await of_slack(slack={"app_token": BOT_TOKEN}), "slack.app_token")
    assert found.level is Level.PROBLEM
    assert "not_allowed_token_type" in found.said


async def test_a_missing_scope_is_named_with_what_it_is_for() -> None:
    found = named(await of_slack(scopes=tuple({*SCOPES} - {"channels:history"})), "scopes")
    assert [(each.level, "channels:history" in each.said) for each in found] == [(Level.PROBLEM, True)]
    assert "to find a post whose answer was lost" in found[0].said


async def test_the_scope_of_user_groups_is_a_problem_only_where_a_role_names_one() -> None:
    without = tuple({*SCOPES} - {"usergroups:read"})
    (found,) = named(await of_slack(scopes=without), "scopes")
    assert found.level is Level.WARNING
    (found,) = named(await of_slack(scopes=without, roles={"admin": {"groups": [GROUP_ONCALL]}}), "scopes")
    assert found.level is Level.PROBLEM


async def test_an_ops_channel_that_does_not_exist_is_named() -> None:
    (found,) = named(await of_slack(slack={"ops_channel": "C0NOWHERE"}), "ops channel")
    assert found.level is Level.PROBLEM
    assert "C0NOWHERE" in found.said
    assert "channel_not_found" in found.said


async def test_an_ops_channel_that_muster_is_not_in_asks_for_an_invitation() -> None:
    async with workspace() as ws:
        await ws.seed(channels=[{"id": "C0OTHER", "name": "other", "members": [OPERATOR]}])
        (found,) = named(await listed(slack.check(settings(ws, slack={"ops_channel": "C0OTHER"}), now)), "ops channel")
    assert found.level is Level.PROBLEM
    assert "/invite @Muster in #other" in found.mend


async def test_ids_of_nobody_are_named_with_their_place() -> None:
    found = named(await of_slack(roles={"approver": {"users": ["U0GONE"], "groups": ["S0GONE"]}}), "people")
    assert [each.level for each in found] == [Level.WARNING] * 2
    assert "U0GONE in roles.approver" in found[0].said
    assert "S0GONE in roles.approver" in found[1].said


@pytest.mark.parametrize(
    ("ahead", "level", "words"),
    [
        (3, Level.FINE, "ahead of"),
        (20, Level.WARNING, "ahead of"),
        (-20, Level.WARNING, "behind"),
        (600, Level.PROBLEM, "ahead of"),
    ],
)
async def test_a_clock_that_is_wrong_is_named_with_its_skew(ahead: float, level: Level, words: str) -> None:
    (found,) = named(await of_slack(lambda: NOW + timedelta(seconds=ahead)), "clock")
    assert (found.level, words in found.said) == (level, True)


async def test_people_that_could_not_be_looked_up_are_not_called_known() -> None:
    found = await of_slack(scopes=tuple({*SCOPES} - {"users:read"}), roles={"admin": {"users": ["U0GONE"]}})
    assert [(each.level, each.said) for each in named(found, "people")] == [
        (Level.WARNING, "1 ids in app.yaml could not be looked up")
    ]


async def test_slack_that_cannot_be_reached_is_one_finding() -> None:
    far = settings_for(slack=_slack(base_url=f"http://127.0.0.1:{free_port()}/api/"))
    (found,) = await listed(slack.check(far, now))
    assert (found.level, found.part) == (Level.PROBLEM, "Slack")


def _slack(**more: str) -> dict[str, str]:
    return {"bot_token": BOT_TOKEN, "app_token": APP_TOKEN, "ops_channel": FLEET_OPS, **more}


# --- the registry ---


async def of_registry(url: str) -> list[Finding]:
    return await listed(registry.check(DatabaseSettings.model_validate({"url": url})))


async def test_a_migrated_registry_is_fine(registry_url: str) -> None:
    assert [each.level for each in await of_registry(registry_url)] == [Level.FINE] * 2


async def test_a_pending_migration_is_named_with_what_to_run(registry_url: str, db: Database) -> None:
    async with db.begin() as session:
        await session.execute(text("DELETE FROM alembic_version"))
    found = (await of_registry(registry_url))[-1]
    assert (found.level, found.part, found.mend) == (Level.PROBLEM, "migrations", "Run `muster migrate`.")


async def test_a_registry_of_a_newer_muster_is_not_to_be_migrated(sqlite_url: str) -> None:
    db = Database(DatabaseSettings.model_validate({"url": sqlite_url}))
    async with db.begin() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = 'f00d'"))
    await db.close()
    found = (await of_registry(sqlite_url))[-1]
    assert "a newer one migrated it" in found.said


async def test_a_registry_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    (found,) = await of_registry(f"sqlite+aiosqlite:///{tmp_path}/none.db")
    assert "muster migrate" in found.mend
    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == []


@pytest.mark.parametrize("url", ["postgresql+asyncpg://a:hush@127.0.0.1:1/x", "mysql://a:hush@b/c", "muster.db"])
async def test_a_database_that_cannot_be_reached_is_named_without_its_password(url: str) -> None:
    (found,) = await of_registry(url)
    assert found.level is Level.PROBLEM
    assert "hush" not in found.said


# --- the broker ---


async def of_broker(port: int, **more: Any) -> list[Finding]:
    return await listed(broker.check(MqttSettings.model_validate({"port": port, **more})))


async def test_a_broker_that_cannot_be_reached_is_named() -> None:
    (found,) = await of_broker(port := free_port())
    assert found.level is Level.PROBLEM
    assert f"127.0.0.1:{port} cannot be reached" in found.said


async def test_the_embedded_broker_is_reached_and_measured() -> None:
    with embedded_broker() as running:
        found = await of_broker(running.port)
    assert {each.level for each in found} == {Level.FINE}
    assert "MQTT 3.1.1" in found[0].said


@pytest.mark.mosquitto
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_the_small_window_of_mosquittos_defaults_is_named(tmp_path: Path, protocol: str) -> None:
    with mosquitto_broker(tmp_path, max_inflight_messages=20, max_queued_messages=1000) as running:
        found = await of_broker(running.port, protocol=protocol)
    (small,) = [each for each in named(found, "window") if each.level is not Level.FINE]
    assert small.level is Level.WARNING
    assert "window is small" in small.said
    assert " 20 messages" in small.said
    assert "max_inflight_messages 2000" in small.mend


@pytest.mark.mosquitto
async def test_a_tuned_mosquitto_is_fine_and_nothing_stays_behind(tmp_path: Path) -> None:
    with mosquitto_broker(tmp_path) as running:
        seen = await asyncio.to_thread(probe.look, MqttSettings(port=running.port))
        again = await asyncio.to_thread(probe.look, MqttSettings(port=running.port))
    assert (seen.window, seen.lost, seen.protocol) == (probe.SENT, 0, "5")
    assert again.window == probe.SENT


@pytest.mark.mosquitto
async def test_a_queue_that_drops_a_burst_is_named(tmp_path: Path) -> None:
    with mosquitto_broker(tmp_path, max_inflight_messages=20, max_queued_messages=50) as running:
        (found,) = named(await of_broker(running.port, protocol="3.1.1"), "queue")
    assert found.level is Level.WARNING
    assert "dropped" in found.said


@pytest.mark.mosquitto
async def test_a_broker_that_lets_nobody_in_is_named_so(tmp_path: Path) -> None:
    with mosquitto_broker(tmp_path, allow_anonymous="false") as running:
        (found,) = await of_broker(running.port)
    assert found.level is Level.PROBLEM
    assert "refuses us" in found.said
    assert "mqtt.username" in found.mend


@pytest.mark.mosquitto
async def test_an_acl_that_forbids_measuring_is_named(tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic read +/status\n")
    acl.chmod(0o600)
    with mosquitto_broker(tmp_path, acl_file=acl) as running:
        found = named(await of_broker(running.port), "window")
    assert [each.level for each in found] == [Level.WARNING]
    assert "muster-doctor/#" in found[0].mend


def test_what_the_broker_has_dropped_is_told() -> None:
    assert [each.level for each in broker._dropped(probe.Seen("5", dropped=0))] == [Level.FINE]
    (found,) = broker._dropped(probe.Seen("5", dropped=1234))
    assert (found.level, "1,234 messages" in found.said) == (Level.WARNING, True)


def test_what_an_mqtt5_broker_promises_too_little_of_is_told() -> None:
    seen = probe.Seen("5", promised={"ReceiveMaximum": 10, "MaximumQoS": 0, "RetainAvailable": 0})
    found = list(broker._promises(seen, MqttSettings()))
    assert [each.level for each in found] == [Level.WARNING, Level.PROBLEM, Level.PROBLEM]


# --- all together ---


def test_the_exit_code_tells_problems_from_warnings() -> None:
    assert doctor.exit_code([fine("a", "b")]) == 0
    assert doctor.exit_code([fine("a", "b"), warning("a", "b", "c")]) == 2
    assert doctor.exit_code([warning("a", "b", "c"), problem("a", "b", "c")]) == 1


_AUDIT = {"key": "k" * 32, "head_file": "heads.jsonl"}


def test_an_audit_without_a_key_or_a_place_for_its_head_is_warned_of(tmp_path: Path) -> None:
    for given in ({}, {"key": "k" * 32, "head_file": None}, {"key": "k" * 32, "head_file": tmp_path / "no" / "file"}):
        assert list(audit.check(AuditSettings.model_validate(given)))[-1].level is Level.WARNING


_APPROVERS = {"approver": {"users": [APPROVER1, APPROVER2]}}


def test_too_few_people_for_a_policy_are_warned_of_unless_a_group_has_the_role() -> None:
    policies = {"policies": [{"operation": "bulk.*", "approvals": 2}]}
    few = settings_for(approvals=policies, roles={"approver": {"users": ["U1"]}, "operator": {"users": ["U2"]}})
    [found] = approvals.check(few)
    assert (found.level, "bulk.* needs 2 with the role approver" in found.said) == (Level.WARNING, True)
    for enough in (
        {"approver": {"users": ["U1"], "groups": ["S1"]}},
        {"approver": {"users": ["U1"]}, "admin": {"users": ["U2"]}},
    ):
        [found] = approvals.check(settings_for(approvals=policies, roles=enough))
        assert found.level is Level.FINE


async def test_a_missing_token_is_named_and_the_rest_is_looked_at(tmp_path: Path, sqlite_url: str) -> None:
    file = tmp_path / "app.yaml"
    with embedded_broker() as running:
        sections = {
            "slack": {"bot_token": "${MUSTER_SLACK_BOT_TOKEN}", "app_token": "x", "ops_channel": "C1"},
            "mqtt": {"port": running.port},
            "database": {"url": sqlite_url},
            "audit": _AUDIT,
            "roles": _APPROVERS,
        }
        file.write_text(yaml.safe_dump(sections))
        said = io.StringIO()
        code = await screen.examined(Console(file=said, width=200), file, {}, lambda: datetime.now(UTC))
    assert code == 1
    assert "✗ settings" in said.getvalue()
    assert "MUSTER_SLACK_BOT_TOKEN (for slack.bot_token)" in said.getvalue()
    assert "✓ migrations" in said.getvalue()
    assert "✓ broker" in said.getvalue()
    assert "token" not in said.getvalue().rpartition("broker")[2]
    assert "1 to mend, 0 to know of." in said.getvalue()


async def test_everything_right_ends_with_code_0(tmp_path: Path, sqlite_url: str) -> None:
    file = tmp_path / "app.yaml"
    async with workspace() as ws:
        with embedded_broker() as running:
            sections = {
                "slack": slack_for(ws),
                "mqtt": {"port": running.port},
                "database": {"url": sqlite_url},
                "audit": _AUDIT,
                "roles": _APPROVERS,
            }
            file.write_text(yaml.safe_dump(sections))
            said = io.StringIO()
            code = await screen.examined(Console(file=said, width=200), file, {}, now)
    assert (code, said.getvalue().strip().splitlines()[-1]) == (0, "All is fine.")
