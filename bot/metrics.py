"""/metrics: what this process has counted, and the fleet in numbers.

Counters (`…_total`) count since the process started and are each replica's own. Gauges of the fleet come from the
registry, are the same in every replica, and are at most `web.numbers_every` old: so it does not matter how many scrape.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bot.clock import JobStats
from fleet.errors import FleetError
from fleet.settings import Settings
from link.stats import LinkStats
from storage import numbers
from storage.db import Database
from storage.numbers import Numbers

log = structlog.get_logger(__name__)

_LINK = {
    "received": "Messages taken from the broker.",
    "batches": "Batches that were committed.",
    "batch_failures": "Times that a batch could not be committed, and was kept.",
    "acked": "Messages acknowledged to the broker, after their commit.",
    "stale_acks": "Acknowledgements not sent because their connection was gone; the broker delivers again.",
    "forgotten": "Queued messages let go at a reconnect; the broker delivers them again.",
    "dropped_qos0": "QoS 0 messages that found the queue full.",
    "published": "Publishes that the broker confirmed.",
    "publish_failures": "Publishes that the broker did not confirm.",
    "reconnects": "Connections to the broker after the first.",
}


class Process:
    """What only this process knows; read at each scrape. `stored` messages were committed to the registry."""

    def __init__(self, link: LinkStats, jobs: dict[str, JobStats], queued: Callable[[], int]) -> None:
        self.link, self.jobs, self.queued = link, jobs, queued
        self.stored = 0
        self.broker_connected = False
        self.slack_connected = False
        self.slack_sockets = 0


class Metrics(Collector):
    """One registry of metrics for one running bot: tests may have many in a process."""

    def __init__(self, db: Database, settings: Settings, now: Callable[[], datetime], process: Process) -> None:
        self._db, self._settings, self._now = db, settings, now
        self.process = process
        self._numbers: Numbers | None = None
        self._counted_at = -float("inf")  # on the monotonic clock
        self._reachable = False
        self._counting = asyncio.Lock()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    async def text(self) -> bytes:
        """The exposition. Without the registry the last numbers are left out, and the process's own are still told."""
        async with self._counting:
            if time.monotonic() - self._counted_at >= self._settings.web.numbers_every.total_seconds():
                await self._count()
        return generate_latest(self._registry)

    async def _count(self) -> None:
        try:
            async with self._db.read() as session:
                self._numbers = await numbers.take(session, self._now(), self._settings.drift.online_within)
            self._reachable = True
        except FleetError as gone:
            log.warning("the fleet cannot be counted for /metrics", why=str(gone))
            self._numbers, self._reachable = None, False
        self._counted_at = time.monotonic()

    def collect(self) -> Iterator[Metric]:
        yield from self._link()
        yield from self._jobs()
        yield gauge("muster_registry_up", "1 if the fleet could be counted.", self._reachable)
        if self._numbers:
            yield from _fleet(self._numbers)

    def _link(self) -> Iterator[Metric]:
        process = self.process
        for name, text in _LINK.items():
            family = "muster_link" if name in ("batches", "batch_failures", "reconnects") else "muster_messages"
            yield CounterMetricFamily(f"{family}_{name}", text, value=getattr(process.link, name))
        yield CounterMetricFamily("muster_messages_stored", "Messages committed to the registry.", value=process.stored)
        yield gauge("muster_messages_queued", "Messages that wait for the next batch.", process.queued())
        yield gauge("muster_broker_connected", "1 while connected and subscribed.", process.broker_connected)
        yield gauge("muster_slack_connected", "1 once Slack has been reached.", process.slack_connected)
        yield gauge("muster_slack_sockets", "Socket Mode connections open at this moment.", process.slack_sockets)

    def _jobs(self) -> Iterator[Metric]:
        runs = CounterMetricFamily("muster_job_runs", "Runs of each job.", labels=["job"])
        failures = CounterMetricFamily("muster_job_failures", "Runs that raised.", labels=["job"])
        seconds = CounterMetricFamily("muster_job_seconds", "Seconds of work in all runs together.", labels=["job"])
        last = GaugeMetricFamily("muster_job_last_seconds", "Seconds of work in the last run.", labels=["job"])
        for name, stats in self.process.jobs.items():
            runs.add_metric([name], stats.runs)
            failures.add_metric([name], stats.failures)
            seconds.add_metric([name], stats.seconds)
            last.add_metric([name], stats.last_seconds)
        yield from (runs, failures, seconds, last)


def _fleet(counted: Numbers) -> Iterator[Metric]:
    glance = counted.glance
    by_status = ((status.value, count) for status, count in glance.by_status.items())
    yield labelled("muster_devices", "Devices in the registry.", ["status"], by_status)
    yield gauge("muster_devices_online", "Devices heard from within drift.online_within.", glance.online)
    yield gauge("muster_devices_drifted", "Devices that do not report their target.", glance.drifted)
    yield labelled("muster_drift_cases", "Open drift cases.", ["state"], glance.cases.items())
    yield labelled("muster_alerts", "Alerts that are not resolved.", ["kind", "state"], counted.alerts.items())
    yield labelled(
        "muster_operations", "Operations that wait to be sent.", ["kind", "state"], counted.operations.items()
    )
    yield labelled(
        "muster_dead_letters", "Unreadable messages of the last hour.", ["reason"], counted.dead_letters.items()
    )
    yield gauge("muster_outbox_waiting", "Messages that wait for Slack.", counted.outbox_waiting)
    yield gauge("muster_outbox_age_seconds", "How long the oldest of them has waited.", counted.outbox_age)


def gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def labelled(name: str, text: str, labels: list[str], values: Iterable[tuple[str | tuple[str, ...], float]]) -> Metric:
    """A gauge with labels; the values by their label, or labels."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for label, value in values:
        family.add_metric([label] if isinstance(label, str) else list(label), value)
    return family
