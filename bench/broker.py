"""The broker of a bench: mosquitto tuned as in deploy/mosquitto where it is installed, else the embedded one."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.broker import HOST, EmbeddedBroker, free_port

_TUNED = Path(__file__).parent.parent / "deploy" / "mosquitto" / "mosquitto.conf"
_TAKEN = ("max_", "set_tcp_nodelay", "queue_qos0_messages", "persistence ", "autosave_interval")
_MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@dataclass(frozen=True, slots=True)
class Running:
    """`pid` is None where the broker's processor time cannot be told apart."""

    name: str
    host: str
    port: int
    pid: int | None


@contextlib.contextmanager
def running() -> Iterator[Running]:
    """A broker on loopback, ended when left."""
    if _MOSQUITTO is None:
        with EmbeddedBroker() as embedded:
            yield Running("embedded rumqttd", embedded.host, embedded.port, None)
        return
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder:
        port = free_port()
        process = _mosquitto(Path(folder), port)
        try:
            _wait_for(process, port)
            yield Running("mosquitto, tuned as in deploy/mosquitto", HOST, port, process.pid)
        finally:
            process.terminate()
            process.wait()


def _mosquitto(folder: Path, port: int) -> subprocess.Popen[bytes]:
    assert _MOSQUITTO is not None
    tuned = [line for line in _TUNED.read_text().splitlines() if line.startswith(_TAKEN)]
    lines = [f"listener {port} {HOST}", "allow_anonymous true", f"persistence_location {folder}/", *tuned]
    # mosquitto started by root becomes the user `mosquitto`, who may not write into our folder.
    lines += ["user root"] if os.geteuid() == 0 else []
    file = folder / "mosquitto.conf"
    file.write_text("\n".join(lines) + "\n")
    with (folder / "log").open("ab") as output:
        return subprocess.Popen([_MOSQUITTO, "-c", str(file)], stdout=output, stderr=output)


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=0.2):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("mosquitto did not start")
        time.sleep(0.01)
