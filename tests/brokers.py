"""Brokers for tests: `embedded_broker()` everywhere, `mosquitto_broker()` where Debian's mosquitto is installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol, Self

from sandbox.broker import HOST, EmbeddedBroker, free_port
from tests.debian import program

DEPLOY = Path(__file__).parents[1] / "deploy" / "mosquitto"


class RunningBroker(Protocol):
    """What tests use of either broker. `stop` ends it like a crash of the machine would look to its clients."""

    host: str
    port: int

    def start(self) -> Self: ...
    def stop(self) -> None: ...


def require_mosquitto() -> str:
    return program("mosquitto mosquitto-clients", "mosquitto")


class Mosquitto:
    """A mosquitto on loopback. With persistence on, sessions and retained messages survive `stop` and `start`."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.host = HOST
        self.port = free_port()
        self._folder = folder / f"mosquitto-{self.port}"
        self._folder.mkdir()
        self._options = {
            "allow_anonymous": "true",
            "persistence": "true",
            "persistence_location": f"{self._folder}/",
            "max_inflight_messages": 1000,
            "max_queued_messages": 100_000,
            "set_tcp_nodelay": "true",
        } | options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        if self._process is not None:
            return self
        # mosquitto started by root becomes the user `mosquitto`, who may not write into our folder.
        file = self._folder / "mosquitto.conf"
        file.write_text(self._config() + ("user root\n" if os.geteuid() == 0 else ""))
        with (self._folder / "log").open("ab") as output:
            self._process = subprocess.Popen([require_mosquitto(), "-c", str(file)], stdout=output, stderr=output)
        deadline = time.monotonic() + 10
        while not all(_accepts(self.host, port) for port in self._ports()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"mosquitto did not start: {(self._folder / 'log').read_text()}")
            time.sleep(0.01)
        return self

    def _ports(self) -> tuple[int, ...]:
        return (self.port,)

    def _config(self) -> str:
        lines = [f"listener {self.port} {self.host}", *(f"{key} {value}" for key, value in self._options.items())]
        return "\n".join(lines) + "\n"

    def stop(self) -> None:
        """SIGTERM: it writes its database first."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid


class DeployedMosquitto(Mosquitto):
    """The shipped configuration as it is, with its paths below `folder` and free ports; `port` is the devices' own.

    `ca` and `certs` in the folder are to be filled before it starts, as an installation does.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.etc, self.muster_port, self.new_port = folder / "etc", free_port(), free_port()
        for name in ("ca", "certs"):
            (self.etc / name).mkdir(parents=True)
        for acl in DEPLOY.glob("*.acl"):
            shutil.copy(acl, self.etc)

    def _ports(self) -> tuple[int, ...]:
        return (self.port, self.muster_port, self.new_port)

    def _config(self) -> str:
        text = (DEPLOY / "mosquitto.conf").read_text()
        for here, there in (
            ("listener 8883", f"listener {self.port} {self.host}"),
            (f"listener 8884 {HOST}", f"listener {self.muster_port} {self.host}"),
            ("listener 8885", f"listener {self.new_port} {self.host}"),
            ("/etc/mosquitto", str(self.etc)),
            ("/var/lib/mosquitto/", f"{self._folder}/"),
            ("log_dest syslog", "log_dest stderr"),
        ):
            assert here in text, here
            text = text.replace(here, there)
        return text


@contextmanager
def embedded_broker(max_inflight: int = 500) -> Iterator[EmbeddedBroker]:
    broker = EmbeddedBroker(max_inflight=max_inflight)
    try:
        yield broker.start()
    finally:
        broker.stop()


@contextmanager
def mosquitto_broker(tmp_path: Path, **options: object) -> Iterator[Mosquitto]:
    """A mosquitto with its folder below `tmp_path`; `options` are lines of mosquitto.conf."""
    require_mosquitto()
    broker = Mosquitto(tmp_path, **options)
    try:
        yield broker.start()
    finally:
        broker.stop()


def _accepts(host: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((host, port), timeout=0.2):
        return True
    return False
