"""The composition root: builds every part from the settings and joins them. Nothing else knows them all."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import aiohttp
import structlog

import commands
import jobs
from bot import ca, events_in, revocation_file, slack_http
from bot.clock import Clock
from bot.health import Health
from bot.metrics import Metrics, Process
from bot.notify import SlackDelivery
from bot.people import People
from bot.router import Router
from bot.slack import Slack, members_of, web_client
from bot.web import Handler, Web
from bot.webhooks import Webhooks
from fleet.errors import Refused
from fleet.settings import Settings, SlackMode
from fleet.settings_change import flat
from jobs import inbox
from jobs.spec import Run
from link.client import Connection, Received
from link.publish import Outcome, Outgoing, Publisher
from link.topics import Topics
from storage import alert_rules, audit, event_deliveries, migrate, operations, outbox_sending, revocation_lists
from storage.db import Database

log = structlog.get_logger(__name__)


def utc_now() -> datetime:
    return datetime.now(UTC)


class Devices:
    """The `Publish` protocol over the one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._publisher = Publisher(connection)

    @property
    def connected(self) -> bool:
        return self._connection.connected

    async def publish_many(
        self, messages: Sequence[Outgoing], may: Callable[[], Awaitable[bool]] | None = None
    ) -> list[Outcome]:
        return await self._publisher.publish_many(messages, may)


class Muster:
    """One running bot. `now` is the clock of everything that it decides; tests turn it.

    Raises Refused where the settings name a CA that cannot be used.
    """

    def __init__(self, settings: Settings, now: Callable[[], datetime] = utc_now) -> None:
        self.settings = settings
        self.now = now
        self.db = Database(settings.database)
        self.topics = Topics(settings.mqtt.topic_prefix)
        self.replica = settings.mqtt.client_id
        self.authority = ca.authority(settings.certificates)
        self.manufacturers = ca.manufacturers(settings.provisioning)
        self.revocation_file = revocation_file.of_settings(settings.certificates)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Bring everything up. Broker and Slack may be away: both are waited for without end."""
        self.db.claim_file()
        await self._ready_registry()
        self._session = aiohttp.ClientSession()
        settings = self.settings
        subscriptions = self.topics.subscriptions(settings.mqtt.shared_group)
        self.connection = Connection(settings.mqtt, subscriptions, self._take_in)
        self.devices = Devices(self.connection)
        client = web_client(settings.slack, None, retries=True)
        self.delivery = SlackDelivery(web_client(settings.slack, self._session, retries=False), settings.slack)
        self.webhooks = Webhooks(self._session, settings.events)
        self.people = People(settings.roles, members_of(client))
        self.router = Router(commands.ALL, settings, self.db)
        self.slack = Slack(settings.slack, client, self.router, self.people, self.db, self.now)
        self.clock = Clock(jobs.ALL, self.new_run)
        self.process = Process(self.connection.stats, self.clock.stats, lambda: self.connection.queued)
        self.db.on_wake(self.clock.wake)
        self.db.listen()
        self._tasks = [asyncio.create_task(self.connection.run(), name="broker connection")]
        await self._open_web()
        await self.slack.connect()

    async def _open_web(self) -> None:
        mode, secret = self.settings.slack.mode, self.settings.slack.signing_secret
        health = Health(self.db, self.connection, self.slack, mode, self.process, self._tasks)
        metrics = Metrics(self.db, self.settings, self.now, self.process)
        post: dict[str, Handler] = {}
        if mode is SlackMode.HTTP and secret:
            post[slack_http.PATH] = slack_http.receiver(self.slack.app, secret.get_secret_value())
        if store := self.settings.lifecycle.telemetry_store_secret:
            post[events_in.PATH] = events_in.receiver(self.db, store.get_secret_value(), self.now)
        self.web = Web(self.settings.web, metrics, health, self._revoked, post)
        if self.settings.web.enabled:
            await self.web.start()

    async def _revoked(self) -> str | None:
        async with self.db.read() as session:
            current = await revocation_lists.current(session)
        return current.pem if current else None

    async def _ready_registry(self) -> None:
        """SQLite migrates itself; PostgreSQL may be shared, so there it is a deliberate step."""
        if self.db.is_sqlite:
            await migrate.upgrade(self.db)
        elif await migrate.current(self.db) != migrate.head():
            raise Refused("The database is not at this Muster's revision. Run `muster migrate` once, then start again.")
        async with self.db.begin() as session:
            await alert_rules.ensure_defaults(session, self.now())
            changed = await audit.note_settings(session, self.replica, flat(self.settings), self.now())
            if changed:
                log.info("the settings are others than at the last start", changed=changed)
            await operations.release_all(session, self.replica)
            await outbox_sending.release_all(session, self.replica)
            await event_deliveries.release_all(session, self.replica)
            endpoints = [each.name for each in self.settings.events.endpoints]
            await event_deliveries.give_up_others(session, endpoints, self.now())

    async def _take_in(self, batch: Sequence[Received]) -> None:
        await inbox.take_in(batch, self.now(), self.db, self.settings, self.topics, self.connection.departures)
        self.process.stored += len(batch)

    def new_run(self) -> Run:
        return Run(
            now=self.now(),
            db=self.db,
            settings=self.settings,
            replica=self.replica,
            topics=self.topics,
            publish=self.devices,
            deliver=self.delivery,
            tell=self.webhooks,
            jitter=random.random,
            clock=self.now,
            authority=self.authority,
            manufacturers=self.manufacturers,
            revocation_file=self.revocation_file,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, or until the connection's task ends, which it never should."""
        self.clock.start()
        log.info("Muster is up", replica=self.replica, command=self.settings.slack.command)
        stopping = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([stopping, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for task in done - {stopping}:
            task.result()

    async def stop(self) -> None:
        """Put everything down. What was under way is claimed in the registry, and goes on at the next start."""
        if hasattr(self, "web"):
            await self.web.close()
        if hasattr(self, "clock"):
            await self.clock.stop()
        if hasattr(self, "slack"):
            await self.slack.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if hasattr(self, "_session"):
            await self._session.close()
        await self.db.close()
