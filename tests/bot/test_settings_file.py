from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from bot import settings_file
from fleet.errors import BadInput
from fleet.settings import Settings

APP_YAML = Path(__file__).parents[2] / "app.yaml"
NEEDED = {"MUSTER_SLACK_BOT_TOKEN": "xoxb-1", "MUSTER_SLACK_APP_TOKEN": "xapp-1", "MUSTER_OPS_CHANNEL": "C0OPS"}
FROM_ENVIRONMENT = ("bot_token", "app_token", "ops_channel")
SLACK = "slack: {bot_token: a, app_token: b, ops_channel: C1}\n"


def places(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """`drift.ack_timeout` for every setting; sections themselves are left out."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from places(field.annotation, f"{above}{name}.")
        else:
            yield f"{above}{name}"


def written(tree: Any, above: str = "") -> Iterator[str]:
    """The same of a YAML tree."""
    for name, value in tree.items():
        yield from written(value, f"{above}{name}.") if isinstance(value, dict) else [f"{above}{name}"]


def at(settings: Settings, place: str) -> Any:
    return functools.reduce(getattr, place.split("."), settings)


def test_every_setting_stands_in_app_yaml_and_nothing_else() -> None:
    assert sorted(written(yaml.safe_load(APP_YAML.read_text()))) == sorted(places(Settings))


@pytest.fixture(scope="module")
def shipped() -> Settings:
    return settings_file.load(APP_YAML, NEEDED)


@pytest.mark.parametrize("place", sorted(set(places(Settings)) - {f"slack.{name}" for name in FROM_ENVIRONMENT}))
def test_app_yaml_shows_the_default_of_each_setting(place: str, shipped: Settings) -> None:
    defaults = Settings.model_validate({"slack": dict.fromkeys(FROM_ENVIRONMENT, "given")})
    assert at(shipped, place) == at(defaults, place)


def test_every_setting_in_app_yaml_has_a_comment_above_it_or_above_its_group() -> None:
    lines = APP_YAML.read_text().splitlines()
    bare = [
        line.strip()
        for above, line in itertools.pairwise(lines)
        if re.match(r" {2,4}\w+: \S", line) and not re.match(r" +(#|\w+: )", above) and not line.startswith("    ")
    ]
    assert bare == []


def test_app_yaml_takes_secrets_and_addresses_from_the_environment() -> None:
    environment = {
        **NEEDED,
        "MUSTER_DATABASE_URL": "sqlite+aiosqlite:///other.db",
        "MUSTER_MQTT_HOST": "broker",
        "MUSTER_MQTT_PORT": "8883",
        "MUSTER_MQTT_PASSWORD": "geheim",
        "MUSTER_LOG_LEVEL": "",
    }
    settings = settings_file.load(APP_YAML, environment)
    assert settings.slack.bot_token.get_secret_value() == "xoxb-1"
    assert settings.database.url.get_secret_value() == "sqlite+aiosqlite:///other.db"
    assert (settings.mqtt.host, settings.mqtt.port, settings.mqtt.username) == ("broker", 8883, None)
    assert settings.mqtt.password is not None
    assert settings.log.level == "info"


@pytest.mark.parametrize(
    ("value", "filled"),
    [
        ("${HOST}", "example.org"),
        ("mqtt-${HOST}-${ZONE:-eu}", "mqtt-example.org-eu"),
        ("${EMPTY:-there}", "there"),
        ("costs $$5 and $${HOST}", "costs $5 and ${HOST}"),
        ("${ZONE:-}", "127.0.0.1"),
        ("$HOST", "$HOST"),
    ],
)
def test_variables_are_filled_in_anywhere_in_a_value(value: str, filled: str) -> None:
    text = f"{SLACK}mqtt: {{host: '{value}'}}"
    assert settings_file.from_text(text, {"HOST": "example.org", "EMPTY": ""}).mqtt.host == filled


def test_variables_are_filled_in_inside_lists_too() -> None:
    text = f"{SLACK}roles: {{admin: {{users: ['${{BOSS}}', '${{DEPUTY:-}}']}}}}"
    assert settings_file.from_text(text, {"BOSS": "U1"}).roles.admin.users == ("U1",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "slack: {bot_token: '${A}', app_token: '${A}', ops_channel: '${B}'}",
            "app.yaml needs these environment variables, which are not set: "
            "A (for slack.bot_token, slack.app_token); B (for slack.ops_channel).",
        ),
        (f"{SLACK}drift: {{ack_timout: 5m}}", "drift.ack_timout: there is no such setting. Did you mean ack_timeout?"),
        (f"{SLACK}drft: {{}}", "drft: there is no such setting. Did you mean drift?"),
        (f"{SLACK}mqtt: {{tls: {{colour: red}}}}", "mqtt.tls.colour: there is no such setting."),
        ("slack: {bot_token: a, app_token: b}", "slack.ops_channel: this must be set."),
        ("mqtt: {}", "slack: this must be set."),
        (f"{SLACK}drift: {{retries: 21}}", "drift.retries: input should be less than or equal to 20, not 21."),
        (f"{SLACK}drift: {{ack_timeout: soon}}", "drift.ack_timeout: input should be a valid timedelta"),
        (
            f"{SLACK}campaigns: {{freezes: [{{since: 2026-12-24 00:00:00, until: 2026-12-27T00:00:00Z, why: feast}}]}}",
            "campaigns.freezes[0].since: 2026-12-24 00:00:00 needs a time zone, as in 2026-12-24T00:00:00+01:00.",
        ),
        (f"{SLACK}alerts: {{ladder: [{{after: 5m}}]}}", "alerts.ladder[0].mention: this must be set."),
        (f"{SLACK}alerts: {{ladder: [{{aftr: 5m}}]}}", "alerts.ladder[0].aftr: there is no such setting. Did you mean"),
        (f"{SLACK}drift: 5", "drift: input should be a valid dictionary"),
        (
            f"{SLACK}mqtt: {{shared_group: m, protocol: '3.1.1'}}",
            "app.yaml cannot be used:\nmqtt.shared_group needs MQTT 5",
        ),
        ("slack: [", "app.yaml, line 1 is not valid YAML"),
        ("a: 1\nb: 2\n  c: 3", "app.yaml, line 3 is not valid YAML"),
        ("a: 1\nb: 2\na: 3", "app.yaml, line 3 is not valid YAML: a stands twice."),
        ("- 1", "app.yaml must hold sections"),
        ("", "app.yaml must hold sections"),
        ("a: !!python/object:os.system {}", "app.yaml, line 1 is not valid YAML"),
        ("a: \x00", "app.yaml is not valid YAML"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, said: str) -> None:
    with pytest.raises(BadInput, match=re.escape(said)):
        settings_file.from_text(text, {})


def test_all_mistakes_are_named_at_once_and_no_secret_is() -> None:
    with pytest.raises(BadInput) as refused:
        settings_file.from_text("slack: {bot_token: 5, app_token: [hush]}\nlog: {level: loud}", {})
    assert str(refused.value).count("\n") == 4
    assert "hush" not in str(refused.value)
    assert "not 5" not in str(refused.value)


def test_a_missing_or_unreadable_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"There is no settings file .*--settings"):
        settings_file.load(tmp_path / "app.yaml", {})
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff")
    with pytest.raises(BadInput, match=r"latin\.yaml is not UTF-8 text"):
        settings_file.load(tmp_path / "latin.yaml", {})
    with pytest.raises(BadInput, match="cannot be read"):
        settings_file.load(tmp_path, {})


def test_durations_in_the_file_are_durations(tmp_path: Path) -> None:
    (tmp_path / "app.yaml").write_text(f"{SLACK}drift: {{ack_timeout: 90s}}")
    assert settings_file.load(tmp_path / "app.yaml", {}).drift.ack_timeout == timedelta(seconds=90)
