"""Topics of both sides, with and without a prefix."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link.topics import Kind, Order, Topics, Unreadable, is_device_id


@pytest.mark.parametrize("prefix", ["", "fleet/", "a/b/"])
@pytest.mark.parametrize("kind", list(Kind))
def test_every_device_side_topic_is_read_back(prefix: str, kind: Kind) -> None:
    topics = Topics(prefix)
    assert topics.read(topics.of("dev-1", kind)) == ("dev-1", kind)


@pytest.mark.parametrize("order", list(Order))
def test_musters_own_topics_are_not_heard(order: Order) -> None:
    with pytest.raises(Unreadable, match="unknown topic"):
        Topics().read(Topics().of("dev-1", order))


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("status", "unknown topic"),
        ("", "unknown topic"),
        ("/status", "bad device id"),
        ("dev 1/status", "bad device id"),
        ("-dev/status", "bad device id"),
        (f"{'d' * 129}/status", "bad device id"),
        ("dev-1\n/status", "bad device id"),
        ("dev-1/status/", "unknown topic"),
        ("a/dev-1/status", "unknown topic"),
        ("$SYS/broker/uptime", "unknown topic"),
    ],
)
def test_what_is_not_a_device_topic_says_why(topic: str, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        Topics().read(topic)
    assert caught.value.reason == reason


def test_another_prefix_is_not_ours() -> None:
    with pytest.raises(Unreadable, match="unknown topic"):
        Topics("ours/").read("theirs/dev-1/status")


def test_subscriptions_are_device_side_only_and_may_be_shared() -> None:
    plain = Topics("p/").subscriptions()
    assert "p/+/status" in plain
    assert "p/+/config/ack" in plain
    assert len(plain) == len(Kind)
    assert Topics("p/").subscriptions("muster") == [f"$share/muster/{topic}" for topic in plain]


def test_only_state_is_retained() -> None:
    assert {order for order in Order if order.retained} == {Order.CONFIG_DESIRED, Order.FIRMWARE_DESIRED}
    assert Topics("p/").of("dev-1", Order.CONFIG_DESIRED) == "p/dev-1/config/desired"
    assert Topics().of("dev-1", Order.FIRMWARE_DESIRED) == "dev-1/firmware/desired"


@given(st.text())
def test_any_text_is_a_topic_or_unreadable(text: str) -> None:
    try:
        device_id, _kind = Topics().read(text)
    except Unreadable:
        return
    assert is_device_id(device_id)
