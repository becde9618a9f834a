"""The shipped mosquitto with TLS, client certificates, ACLs and revocation: a device from its factory to its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from cryptography import x509

from fleet.lifecycle import DeviceStatus
from sandbox.workspace import APPROVER1, APPROVER2
from storage import lifecycle
from tests import keyed
from tests.installation import Installation
from tests.keyed import PASSPHRASE, pem_of
from tests.walks.conftest import SOON, House, a_house, eventually, say

pytestmark = [
    pytest.mark.mosquitto,
    # paho leaves the socket of a failed handshake to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installation]:
    with Installation.running(tmp_path) as running:
        yield running


@pytest.fixture
async def house(sqlite_url: str, installed: Installation, tmp_path: Path) -> AsyncIterator[House]:
    """Muster with its own certificate, on its own listener, on the clock of this machine: the broker has no other."""
    (tmp_path / "ca.key").write_text(keyed.ca_files(keyed.MUSTER_CA)[1])
    sections: dict[str, Any] = {
        "mqtt": {"tls": installed.tls("muster")},
        "certificates": {
            "ca_file": installed.etc / "ca" / "ca.pem",
            "key_file": tmp_path / "ca.key",
            "ca_passphrase": PASSPHRASE,
            "crl_file": installed.crl_file,
            "crl_hook": f"kill -HUP {installed.broker.pid}",
        },
        "provisioning": {"manufacturing_ca_file": installed.etc / "ca" / "manufacturing.pem"},
    }
    async with a_house(sqlite_url, installed.broker.muster_port, wait=False, **sections) as running:
        running.clock.now = installed.began
        await running.connected()
        await running.register("dev-2")
        await running.register("dev-3", status=DeviceStatus.MANUFACTURED, reported_config_version="")
        await running.settle()
        yield running


@asynccontextmanager
async def hears(client: aiomqtt.Client, topic: str) -> AsyncIterator[asyncio.Task[Any]]:
    """A task whose result is the next message on that topic."""
    await client.subscribe(topic, qos=1)

    async def heard() -> Any:
        async for message in client.messages:
            if message.topic.value == topic:
                return json.loads(bytes(message.payload))  # type: ignore[arg-type]
        raise AssertionError("the connection ended")

    yield asyncio.create_task(heard())


async def claims(house: House, installed: Installation) -> str:
    """dev-3 claims its certificate, and keeps it as `dev-3`. Returns its serial."""
    async with installed.connection("dev-3.factory", installed.broker.new_port) as new:
        async with hears(new, "dev-3/certificate/issued") as issued:
            await say(new, "dev-3/provisioning/claim", installed.new.claim(house.clock.now))

            async def answered() -> bool:
                await house.settle()
                return issued.done()

            await eventually(answered)
    pem = (await issued)["certificate_pem"]
    installed.keep("dev-3", pem, pem_of(installed.new.key))
    return f"{x509.load_pem_x509_certificate(pem.encode()).serial_number:x}"


async def test_a_device_from_its_factory_to_its_end(house: House, installed: Installation) -> None:
    serial = await claims(house, installed)
    assert (await house.device("dev-3")).status is DeviceStatus.PROVISIONED
    async with installed.connection("dev-3") as device:
        async with hears(device, "dev-3/config/desired") as desired:
            await say(device, "dev-3/certificate/installed", {"serial": serial})
            await say(device, "dev-2/status", {"reported_config_version": "forged"})
            await say(device, "dev-3/status", {"reported_config_version": ""})
            await house.heard("dev-3", certificate_serial=serial)
            await house.sweep()
            pushed = await asyncio.wait_for(desired, SOON)
            assert pushed["version"] == (await house.device("dev-3")).target_config_version
    assert (await house.device("dev-2")).last_seen_at is None  # the broker let nothing through in its name
    assert installed.lets_in("dev-3")
    await decommissioned(house, "dev-3")
    assert await eventually(lambda: refused(installed, "dev-3"))
    assert installed.lets_in("dev-2")
    assert installed.lets_in("muster", installed.broker.muster_port)


async def decommissioned(house: House, device_id: str) -> None:
    """The operator asks for it, and two others say yes."""
    house.clock.now += timedelta(seconds=1)
    async with house.db.begin() as session:
        await lifecycle.move(
            session, [device_id], DeviceStatus.ACTIVE, "olga", "telemetry", house.clock.now, house.muster.settings
        )
    answer = await house.types(f"device decommission {device_id} --without-export it burnt")
    assert "waits for" in answer.words
    await house.settle()
    [request] = [each for each in await house.posts() if each.buttons[:2] == ["Approve", "Reject"]]
    for approver in (APPROVER1, APPROVER2):
        await house.ws.click(approver, request.ts, "Approve")
        await house.ws.wait_for_modal(approver, contains="How many devices")
        await house.ws.submit(approver, {"count": "1"})
        await house.settle()
    assert (await house.device(device_id)).status is DeviceStatus.DECOMMISSIONED


async def refused(installed: Installation, name: str) -> bool:
    return not await asyncio.to_thread(installed.lets_in, name)
