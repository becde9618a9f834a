"""Who gets a certificate: a table."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from fleet.lifecycle import DeviceStatus
from fleet.provisioning import Again, Asking, Decision, Issue, Refuse, Wait, decide

HOUR = timedelta(hours=1)
MANUFACTURED, PROVISIONED, ACTIVE = DeviceStatus.MANUFACTURED, DeviceStatus.PROVISIONED, DeviceStatus.ACTIVE
CSR, CLAIM = False, True


def _of(decision: Decision) -> str:
    return "refuse" if isinstance(decision, Refuse) else type(decision).__name__.lower()


@pytest.mark.parametrize(
    ("asking", "expected"),
    [
        (Asking(CLAIM, None), "refuse"),
        (Asking(CLAIM, MANUFACTURED), "issue"),
        (Asking(CSR, MANUFACTURED), "wait"),
        (Asking(CSR, MANUFACTURED, wanted=True), "issue"),
        (Asking(CLAIM, PROVISIONED, valid=1), "issue"),
        (Asking(CLAIM, PROVISIONED, valid=1, installed=1), "refuse"),
        (Asking(CLAIM, ACTIVE, valid=1, installed=1), "refuse"),
        (Asking(CLAIM, ACTIVE, wanted=True, valid=1, installed=1), "issue"),
        (Asking(CLAIM, ACTIVE, revoked=1), "refuse"),
        (Asking(CSR, ACTIVE), "issue"),
        (Asking(CSR, ACTIVE, valid=1), "issue"),
        (Asking(CSR, ACTIVE, revoked=1), "refuse"),
        (Asking(CSR, ACTIVE, revoked=1, renewing=True), "refuse"),
        (Asking(CSR, ACTIVE, revoked=1, valid=1, renewing=True), "issue"),
        (Asking(CSR, ACTIVE, revoked=1, valid=1), "issue"),
        (Asking(CSR, ACTIVE, revoked=1, wanted=True), "issue"),
        (Asking(CSR, DeviceStatus.SUSPENDED, valid=1), "issue"),
        (Asking(CSR, ACTIVE, valid=1, met=True, met_valid=True), "again"),
        (Asking(CSR, ACTIVE, wanted=True, met=True), "refuse"),
        (Asking(CSR, DeviceStatus.DECOMMISSIONED, wanted=True, renewing=True), "refuse"),
        (Asking(CLAIM, DeviceStatus.DECOMMISSIONED), "refuse"),
    ],
)
def test_what_becomes_of_a_request(asking: Asking, expected: str, now: datetime) -> None:
    assert _of(decide(asking, now, accept_unknown=False, unasked_every=HOUR)) == expected


def test_a_claim_registers_its_device_only_where_that_is_allowed(now: datetime) -> None:
    allowed = decide(Asking(CLAIM, None), now, accept_unknown=True, unasked_every=HOUR)
    assert allowed == Issue(registers=True, provisions=True)
    assert decide(Asking(CLAIM, MANUFACTURED), now, True, HOUR) == Issue(provisions=True)


def test_a_device_that_nobody_asked_is_met_once_an_hour(now: datetime) -> None:
    just_now = now - HOUR + timedelta(seconds=1)
    for asking, expected in (
        (Asking(CSR, ACTIVE, valid=1, last_issued_at=just_now), "refuse"),
        (Asking(CSR, ACTIVE, valid=1, last_issued_at=now - HOUR), "issue"),
        (Asking(CSR, ACTIVE, valid=1, last_issued_at=just_now, renewing=True), "issue"),
    ):
        assert _of(decide(asking, now, False, HOUR)) == expected


def test_what_was_met_is_met_again_with_the_same(now: datetime) -> None:
    assert decide(Asking(CSR, ACTIVE, met=True, met_valid=True), now, False, HOUR) == Again()
    assert decide(Asking(CSR, MANUFACTURED), now, False, HOUR) == Wait()
