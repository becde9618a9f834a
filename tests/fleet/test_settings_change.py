"""What changed in the settings between two starts."""

from __future__ import annotations

from fleet.settings_change import changed, flat
from tests.conftest import settings_for


def test_a_change_is_named_with_what_it_was_and_is() -> None:
    before = flat(settings_for(drift={"ack_timeout": "5m"}))
    after = flat(settings_for(drift={"ack_timeout": "10m"}, alerts={"ladder": [{"after": "1h", "mention": "<!here>"}]}))
    assert changed(before, after) == {
        "alerts.ladder": ["none", "1 of them"],
        "alerts.ladder[0].after": ["", "1:00:00"],
        "alerts.ladder[0].mention": ["", "<!here>"],
        "drift.ack_timeout": ["0:05:00", "0:10:00"],
    }
    assert changed(after, after) == {}


def test_no_secret_is_told_and_with_a_key_another_one_is_noticed() -> None:
    first = settings_for(mqtt={"password": "hunter2"}, audit={"key": "k" * 32})
    second = settings_for(mqtt={"password": "hunter3"}, audit={"key": "k" * 32})
    assert list(changed(flat(first), flat(second))) == ["mqtt.password"]
    told = " ".join([*flat(first).values(), *flat(settings_for(mqtt={"password": "hunter2"})).values()])
    assert "hunter" not in told
    assert "k" * 32 not in told
    assert "xoxb" not in told
    assert flat(settings_for(mqtt={"password": "hunter2"}))["mqtt.password"] == "secret"
