"""The web server of a running bot: /metrics, /healthz, /readyz, /crl.pem, and in HTTP mode /slack/events.

/crl.pem    the list of revoked certificates, for brokers elsewhere; 404 where there is no CA
/healthz    200 while the event loop answers and no task that must run for ever has ended: restart it otherwise
/readyz     200 when database, broker and Slack are reached; 503 with what is not, as JSON: do not restart, wait
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from bot.health import Health
from bot.metrics import Metrics
from fleet.errors import Refused
from fleet.settings import WebSettings

log = structlog.get_logger(__name__)

Tell = Callable[[], Awaitable[str | None]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_TEXT = "text/plain; version=0.0.4; charset=utf-8"  # what prometheus_client calls its exposition


class Web:
    """Listens from `start` to `close`. `crl` gives the revocation list; `post` are more routes: path and handler."""

    def __init__(
        self, settings: WebSettings, metrics: Metrics, health: Health, crl: Tell, post: dict[str, Handler]
    ) -> None:
        self._settings, self._metrics, self._health, self._crl = settings, metrics, health, crl
        self._app = web.Application()
        self._app.router.add_get("/metrics", self._tell_metrics)
        self._app.router.add_get("/crl.pem", self._tell_revoked)
        self._app.router.add_get("/healthz", self._tell_health)
        self._app.router.add_get("/readyz", self._tell_readiness)
        for path, handler in post.items():
            self._app.router.add_post(path, handler)
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port that is listened on, also when the setting says 0."""
        if self._runner is None or not self._runner.addresses:
            return self._settings.port
        return int(self._runner.addresses[0][1])

    async def start(self) -> None:
        """Raises Refused if the address cannot be had."""
        self._runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=2.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._settings.listen, self._settings.port).start()
        except OSError as taken:
            await self.close()
            raise Refused(
                f"Muster cannot listen on {self._settings.listen}:{self._settings.port} ({taken.strerror}). "
                "Choose another web.port, or set web.enabled to false."
            ) from None
        log.info("web server up", listen=self._settings.listen, port=self.port)

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _tell_metrics(self, _request: web.Request) -> web.Response:
        await self._health.refresh()
        return web.Response(body=await self._metrics.text(), headers={"Content-Type": _TEXT})

    async def _tell_revoked(self, _request: web.Request) -> web.Response:
        if (pem := await self._crl()) is None:
            raise web.HTTPNotFound(text="There is no revocation list here.")
        return web.Response(text=pem, content_type="application/x-pem-file")

    async def _tell_health(self, _request: web.Request) -> web.Response:
        return _said("healthy", self._health.unhealthy())

    async def _tell_readiness(self, _request: web.Request) -> web.Response:
        return _said("ready", await self._health.unready())


def _said(word: str, reasons: list[str]) -> web.Response:
    return web.json_response({word: not reasons, "reasons": reasons}, status=503 if reasons else 200)
