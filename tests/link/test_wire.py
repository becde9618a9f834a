"""Payloads: what is taken, what is refused and with which word."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from link import wire
from link.wire import MODELS, AckStatus, Kind, Unreadable, read

NOW = datetime(2026, 3, 19, 10, 0, tzinfo=UTC)


def reason(payload: bytes, kind: Kind = Kind.STATUS, max_bytes: int = 131_072) -> str:
    with pytest.raises(Unreadable) as caught:
        read("dev-1", kind, payload, max_bytes)
    return caught.value.reason


def test_a_status_is_read_and_unknown_keys_are_ignored() -> None:
    status = read(
        "dev-1",
        Kind.STATUS,
        b'{"reported_config_version":"v7","firmware_version":"1.4","site":"oslo","boot_id":12,'
        b'"device_ts":"2026-03-19T11:00:00+01:00","rssi":-60,"device_id":"dev-1"}',
    )
    assert isinstance(status, wire.Status)
    assert (status.reported_config_version, status.firmware_version, status.site) == ("v7", "1.4", "oslo")
    assert status.boot_id == "12"
    assert status.device_ts == NOW


def test_all_but_the_version_is_optional() -> None:
    assert read("dev-1", Kind.STATUS, b'{"reported_config_version":"","site":null}') == wire.Status(
        reported_config_version=""
    )


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", "not json"),
        (b"{", "not json"),
        (b"\xff\xfe", "not utf-8"),
        (b'{"reported_config_version":"\xff"}', "not utf-8"),
        (b'{"reported_config_version":"\\ud800"}', "not json"),
        (b'{"reported_config_version":"v","x":' + b"[" * 5000 + b"]" * 5000 + b"}", "not json"),
        (b"[]", "not an object"),
        (b"null", "not an object"),
        (b'"v"', "not an object"),
        (b"{}", "bad field: reported_config_version"),
        (b'{"reported_config_version":7}', "bad field: reported_config_version"),
        (b'{"reported_config_version":"' + b"v" * 129 + b'"}', "bad field: reported_config_version"),
        (b'{"reported_config_version":"v","site":[]}', "bad field: site"),
        (b'{"reported_config_version":"a\\u0000b"}', "nul character"),
        (b'{"reported_config_version":"v","x":{"\\u0000":[]}}', "nul character"),
        (b'{"reported_config_version":"v","device_id":"dev-2"}', "names another device"),
    ],
)
def test_what_cannot_be_taken_says_why(payload: bytes, expected: str) -> None:
    assert reason(payload) == expected


def test_a_nul_escape_that_is_escaped_itself_is_only_text() -> None:
    status = read("dev-1", Kind.STATUS, rb'{"reported_config_version":"a\\u0000"}')
    assert isinstance(status, wire.Status)
    assert status.reported_config_version == r"a\u0000"


def test_a_payload_above_the_limit_is_too_large() -> None:
    large = b'{"reported_config_version":"v","x":"' + b"x" * 1024 * 1024 + b'"}'
    assert reason(large) == "too large"
    assert read("dev-1", Kind.STATUS, large, max_bytes=2 * 1024 * 1024)


@pytest.mark.parametrize(
    "stamp",
    [
        '"yesterday"',
        '"2026-03-19T10:00:00"',
        '"0001-01-01T00:00:00+14:00"',
        "{}",
        "1e400",
        "-1",
        '"9999-12-31T23:59:59Z"',
    ],
)
def test_a_device_with_a_broken_clock_is_still_heard(stamp: str) -> None:
    status = read("dev-1", Kind.STATUS, f'{{"reported_config_version":"v","device_ts":{stamp}}}'.encode())
    assert status.device_ts is None


def test_telemetry_is_any_object_kept_as_text() -> None:
    payload = b'{"t": 21.5, "device_ts": "2026-03-19T10:00:00Z", "deep": {"a": [1]}}'
    telemetry = read("dev-1", Kind.TELEMETRY, payload)
    assert isinstance(telemetry, wire.Telemetry)
    assert json.loads(telemetry.text)["t"] == 21.5
    assert telemetry.device_ts == NOW
    assert reason(b"[1]", Kind.TELEMETRY) == "not an object"
    assert reason(b'{"t":NaN}', Kind.TELEMETRY) == "not json"
    assert reason(b'{"device_id":"dev-2"}', Kind.TELEMETRY) == "names another device"


def test_a_rejection_is_kept_with_the_devices_words_cut() -> None:
    ack = read(
        "dev-1", Kind.CONFIG_ACK, json.dumps({"version": "v", "status": "rejected", "error": "e" * 9000}).encode()
    )
    assert isinstance(ack, wire.ConfigAck)
    assert ack.status is AckStatus.REJECTED
    assert ack.error is not None
    assert len(ack.error) == 2_000
    assert reason(b'{"version":"v","status":"maybe"}', Kind.CONFIG_ACK) == "bad field: status"


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (Kind.LOG_RESPONSE, {"request_id": "diag-1", "chunk": 2, "total_chunks": 3, "payload": "line"}),
        (Kind.METRICS_RESPONSE, {"request_id": "diag-1", "payload": {"cpu_percent": 3.5, "uptime_seconds": 10}}),
        (Kind.PING_RESPONSE, {"request_id": "diag-1", "payload": {"sent_at": "2026-03-19T10:00:00Z"}}),
        (Kind.COMMAND_ACK, {"operation_id": "o", "status": "done"}),
        (Kind.FIRMWARE_STATE, {"version": "2", "state": "rolled_back", "progress": 100}),
        (Kind.CERTIFICATE_CSR, {"csr_pem": "-----BEGIN"}),
        (Kind.CERTIFICATE_INSTALLED, {"serial": "0a"}),
        (
            Kind.PROVISIONING_CLAIM,
            {
                "manufacturing_certificate_pem": "c",
                "csr_pem": "r",
                "nonce": "n",
                "issued_at": "2026-03-19T10:00:00Z",
                "signature": "s",
            },
        ),
    ],
)
def test_the_other_kinds_are_read(kind: Kind, payload: dict[str, object]) -> None:
    said = read("dev-1", kind, json.dumps(payload).encode())
    assert type(said) is MODELS[kind]
    assert reason(b"{}", kind).startswith("bad field: ")


def test_a_configuration_goes_out_as_it_was_stored_and_comes_back() -> None:
    config = '{"radio":{"band":868},"site":"Tromsø"}'
    desired = wire.ConfigDesired(
        version="v2", sha256="ab", config=config, operation_id="op-1", attempt=2, issued_at=NOW
    )
    payload = desired.encode()
    assert config.encode() in payload
    assert json.loads(payload) == {
        "version": "v2",
        "sha256": "ab",
        "operation_id": "op-1",
        "attempt": 2,
        "issued_at": "2026-03-19T10:00:00Z",
        "config": {"radio": {"band": 868}, "site": "Tromsø"},
    }
    assert wire.ConfigDesired.decode(payload) == desired


def test_orders_are_compact_json_that_leaves_out_what_is_none() -> None:
    ping = wire.DiagnosticsRequest(
        request_id="diag-1", operation="ping", params={"sent_at": "x"}, requested_by="U1", expires_at=NOW
    )
    assert ping.encode().startswith(b'{"request_id":"diag-1","operation":"ping","params":{"sent_at":"x"}')
    firmware = wire.FirmwareDesired(version="2", url="https://x", sha256="a", size=1, operation_id="o", attempt=1)
    assert b"campaign" not in firmware.encode()
    for order in (
        wire.Restart(operation_id="o", attempt=1, expires_at=NOW),
        wire.CertificateRenew(operation_id="o", attempt=1, not_after=NOW, expires_at=NOW + timedelta(hours=1)),
        wire.CertificateIssued(operation_id="o", certificate_pem="c", chain_pem="d"),
    ):
        assert type(order).decode(order.encode()) == order


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FIELDS = sorted({field for model in MODELS.values() for field in model.model_fields})
objects = st.dictionaries(st.sampled_from(FIELDS), json_values).map(lambda value: json.dumps(value).encode())


@given(st.sampled_from(Kind), st.binary() | objects)
@example(Kind.STATUS, b'{"reported_config_version":"v","device_ts":' + b"9" * 5000 + b"}")
def test_no_payload_raises_anything_but_unreadable(kind: Kind, payload: bytes) -> None:
    try:
        said = read("dev-1", kind, payload)
    except Unreadable:
        return
    assert type(said) is MODELS[kind]
