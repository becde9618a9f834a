"""Lives of devices in any order, with crashes anywhere: state, ledger, windows, certificates and events never disagree.

`MUSTER_LIVES=500 pytest tests/jobs/test_lives.py` looks much longer, and for the shortest life that fails.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Table, event, select

from fleet.certificate import CertificateState
from fleet.decommission import ExportState
from fleet.lifecycle import ALERTS_PAUSED, BILLED, MOVES, DeviceStatus
from fleet.maintenance import WindowState
from fleet.settings import DatabaseSettings
from jobs.decommissions import leave
from jobs.maintenance import windows
from storage import certificates, decommissions, lifecycle, maintenance
from storage.db import AnyRow, Database
from storage.tables import (
    billing_ledger,
    billing_periods,
    devices,
    events,
    maintenance_windows,
    operations,
    transitions,
)
from storage.tables import certificates as certificate_table
from storage.tables import decommissions as decommission_table
from tests import build
from tests.conftest import NOW, settings_for
from tests.house import House

IDS = ("dev-1", "dev-2", "dev-3")
STORE = {"telemetry_store_secret": "whsec_c2VjcmV0LW9mLXRoZS10ZWxlbWV0cnktc3RvcmU="}
OF_DEVICES = (
    *(transitions, billing_ledger, billing_periods, maintenance_windows),
    *(certificate_table, operations, decommission_table),
)
S = DeviceStatus
some_devices = st.sets(st.sampled_from(IDS), min_size=1).map(sorted)
crash_at = st.none() | st.none() | st.integers(1, 30)
hours = st.integers(1, 30)


class Crash(Exception):
    """The process died."""


@contextmanager
def crashing(db: Database, statement: int | None) -> Iterator[None]:
    """Die before that statement of what follows; whatever transaction is open then is rolled back."""
    left = statement or 0

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Crash

    event.listen(db.engine.sync_engine, "before_cursor_execute", count)
    try:
        yield
    except Crash:
        pass
    finally:
        event.remove(db.engine.sync_engine, "before_cursor_execute", count)


class Lives(RuleBasedStateMachine):
    template: Path

    @initialize(store=st.booleans())
    def begin(self, store: bool) -> None:
        self.folder = tempfile.mkdtemp()
        file = Path(self.folder) / "muster.db"
        shutil.copy(self.template, file)
        self.runner = asyncio.Runner()
        url = DatabaseSettings.model_validate({"url": f"sqlite+aiosqlite:///{file}", "synchronous": "normal"})
        self.db = Database(url)
        given = settings_for(web={"enabled": store}, lifecycle=STORE if store else {})
        self.house = House(self.db, given, NOW)
        self.serial = 0
        self.do(build.fleet(self.db, NOW, [build.device(each, NOW, status=S.MANUFACTURED) for each in IDS]))

    def do(self, work: Awaitable[Any]) -> Any:
        async def whole() -> Any:
            return await work

        return self.runner.run(whole())

    def within(self, crash: int | None, work: Callable[[Any], Awaitable[Any]]) -> None:
        """One transaction, in which the process may die."""

        async def whole() -> None:
            async with self.db.begin() as session:
                await work(session)

        with crashing(self.db, crash):
            self.do(whole())

    @rule(ids=some_devices, which=st.integers(0, 5), crash=crash_at, without_export=st.booleans())
    def move(self, ids: Sequence[str], which: int, crash: int | None, without_export: bool) -> None:
        """A move that is legal for the first of the devices."""
        before = {row.device_id: row.status for row in self.rows(devices)[devices]}
        if legal := sorted(MOVES[before[ids[0]]]):
            self.move_to(ids, legal[which % len(legal)], crash, without_export)

    @rule(ids=some_devices, to=st.sampled_from(S), crash=crash_at, without_export=st.booleans())
    def move_to(self, ids: Sequence[str], to: DeviceStatus, crash: int | None, without_export: bool) -> None:
        before = {row.device_id: row.status for row in self.rows(devices)[devices]}

        async def work(session: Any) -> None:
            if to is S.PROVISIONED:  # as whoever issues certificates does, in one transaction
                await self.certify(session, [each for each in ids if before[each] is S.MANUFACTURED])
            given = (session, ids, to, "U0ANN", "because", self.house.now, self.house.settings)
            done = await lifecycle.move(*given, without_export=without_export)
            assert set(done.refused) == {each for each in ids if to not in MOVES[before[each]]}

        self.within(crash, work)

    async def certify(self, session: Any, ids: Sequence[str]) -> None:
        rows = []
        for each in ids:
            self.serial += 1
            ends = self.house.now + timedelta(days=365)
            rows.append({"serial": f"{self.serial:04x}", "device_id": each, "not_before": NOW, "not_after": ends})
        await certificates.record(session, [{**row, "pem": "pem"} for row in rows], self.house.now)

    @rule(ids=some_devices, crash=crash_at)
    def telemetry(self, ids: Sequence[str], crash: int | None) -> None:
        with crashing(self.db, crash):
            self.do(self.house.hear_many([(f"{each}/telemetry", b"{}") for each in ids]))

    @rule(ids=some_devices, after=hours, length=hours, crash=crash_at)
    def plan(self, ids: Sequence[str], after: int, length: int, crash: int | None) -> None:
        starts = self.house.now + timedelta(hours=after)
        window = {"starts_at": starts, "ends_at": starts + timedelta(hours=length), "zone": "UTC", "why": ""}
        planned = [{**window, "device_id": each} for each in ids]
        self.within(crash, lambda session: maintenance.plan(session, planned, "U0ANN", self.house.now))

    @rule(ids=some_devices, to=st.sampled_from([ExportState.CONFIRMED, ExportState.CANCELLED]), crash=crash_at)
    def confirm(self, ids: Sequence[str], to: ExportState, crash: int | None) -> None:
        self.within(crash, lambda session: decommissions.settle(session, ids, to, "store", self.house.now))

    @rule(passed=hours, crash=crash_at)
    def the_clock(self, passed: int, crash: int | None) -> None:
        self.house.now += timedelta(hours=passed)
        self.house.jobs = (windows, leave)
        with crashing(self.db, crash):
            self.do(self.house.settle())

    def rows(self, *tables: Table) -> dict[Table, Sequence[AnyRow]]:
        async def read() -> dict[Table, Sequence[AnyRow]]:
            async with self.db.read() as session:
                statements = {each: select(each).order_by(*each.primary_key) for each in tables}
                return {each: (await session.execute(statement)).all() for each, statement in statements.items()}

        found: dict[Table, Sequence[AnyRow]] = self.do(read())
        return found

    @invariant()
    def nothing_disagrees(self) -> None:
        found = self.rows(devices, events, *OF_DEVICES)
        for device in found[devices]:
            own = {table: [row for row in found[table] if row.device_id == device.device_id] for table in OF_DEVICES}
            told = [row.type for row in found[events] if row.subject == device.device_id]
            _moves_agree(device, own[transitions])
            _billing_agrees(device, own[billing_ledger], own[billing_periods], told)
            _alerts_agree(device, own[maintenance_windows], told)
            _the_end_agrees(device, own)

    def teardown(self) -> None:
        if hasattr(self, "db"):
            self.do(self.db.close())
            self.runner.close()
            shutil.rmtree(self.folder)


def _moves_agree(device: AnyRow, moves: Sequence[AnyRow]) -> None:
    state, since = S.MANUFACTURED, None
    for row in moves:
        assert row.before is state
        assert row.after in MOVES[state]
        state, since = row.after, row.at
    assert (device.status, device.status_since) == (state, since)


def _billing_agrees(device: AnyRow, ledger: Sequence[AnyRow], periods: Sequence[AnyRow], told: Sequence[str]) -> None:
    kinds = [row.kind.value for row in ledger]
    assert kinds == ["start", *["stop", "resume"] * len(kinds)][: len(kinds)]
    assert [row.at for row in ledger] == [
        moment for row in periods for moment in (row.started_at, row.ended_at) if moment is not None
    ]
    assert [each.ended_at is None for each in periods if each.ended_at is None] == [True] * (device.status in BILLED)
    words = {"billing.started": "start", "billing.stopped": "stop", "billing.resumed": "resume"}
    assert [words[each] for each in told if each in words] == kinds


def _alerts_agree(device: AnyRow, found: Sequence[AnyRow], told: Sequence[str]) -> None:
    running = [row for row in found if row.state is WindowState.RUNNING]
    assert len(running) == (device.status is S.MAINTENANCE)
    assert all((row.due_at is None) == (row.ended_at is not None) for row in found)
    last = [each for each in told if each in ("alerts.suppressed", "alerts.resumed")][-1:]
    assert (last == ["alerts.suppressed"]) == (device.status in ALERTS_PAUSED)


def _the_end_agrees(device: AnyRow, own: dict[Table, list[AnyRow]]) -> None:
    gone = device.status is S.DECOMMISSIONED
    valid = [row for row in own[certificate_table] if row.state is not CertificateState.REVOKED]
    assert len(valid) == (0 if gone or device.status is S.MANUFACTURED else 1)
    assert (device.retention == "long_term_archive") == (device.retain_until is not None) == gone
    assert len(own[operations]) == (2 if gone else 0)
    ends = [row for row in own[decommission_table] if row.done_at and row.state is not ExportState.CANCELLED]
    assert len(ends) == gone
    assert not gone or not [row for row in own[maintenance_windows] if row.state is WindowState.PLANNED]


@pytest.mark.timeout(600)
def test_lives_with_crashes_never_disagree(sqlite_template: Path) -> None:
    Lives.template = sqlite_template
    run_state_machine_as_test(
        Lives,
        settings=settings(
            max_examples=int(os.environ.get("MUSTER_LIVES", "8")),
            phases=[each for each in Phase if each is not Phase.shrink or "MUSTER_LIVES" in os.environ],
            stateful_step_count=20,
            derandomize="MUSTER_LIVES" not in os.environ,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_crash_leaves_no_trace_of_the_transaction(sqlite_template: Path) -> None:
    """The crashes above are real: without one the same move does what this one did not."""
    lives = Lives()
    Lives.template = sqlite_template
    lives.begin(store=False)
    for crash, state in ((3, S.MANUFACTURED), (None, S.PROVISIONED)):
        lives.move_to(["dev-1"], S.PROVISIONED, crash, without_export=False)
        assert next(row.status for row in lives.rows(devices)[devices] if row.device_id == "dev-1") is state
        lives.nothing_disagrees()
    lives.teardown()
