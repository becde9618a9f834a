"""Certificates: a request for each renewal and claim, and what is issued put into use.

The simulated fleet shares its sessions, so `certificate/installed` comes over the old one.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from link.topics import Kind, Order
from link.wire import CertificateCsr, CertificateInstalled, CertificateIssued, CertificateRenew
from sandbox.devices.device import SimulatedDevice

if TYPE_CHECKING:
    from sandbox.devices.line import Line


class Certificates:
    def __init__(self, line: Line) -> None:
        self.orders = {Order.CERTIFICATE_RENEW: self.renew, Order.CERTIFICATE_ISSUED: self.install}
        self._line = line

    def renew(self, device: SimulatedDevice, payload: bytes) -> None:
        order = CertificateRenew.decode(payload)
        if not device.obeys(order.expires_at):
            return
        key = order.operation_id, order.attempt
        answer = device.answers.get(key)
        if answer is None:
            csr = device.identity.request(device.device_id)
            answer = device.answers[key] = CertificateCsr(csr_pem=csr, operation_id=order.operation_id)
        self._line.soon(self._line.answer(device, Kind.CERTIFICATE_CSR, answer))

    def install(self, device: SimulatedDevice, payload: bytes) -> None:
        issued = CertificateIssued.decode(payload)
        serial = device.identity.install(issued.certificate_pem)
        if serial is None:
            device.unreadable += 1
            return
        self._line.soon(self._line.answer(device, Kind.CERTIFICATE_INSTALLED, CertificateInstalled(serial=serial)))


async def claim(line: Line, device: SimulatedDevice) -> None:
    """A new device asks for its certificate until it has one: the same claim again and again, with its one nonce."""
    identity = device.identity
    if identity.manufacturing is None or identity.certificate_pem is not None:
        return
    made = identity.manufacturing.claim(identity.request(device.device_id), datetime.now(UTC))
    while identity.certificate_pem is None:
        await line.say(device, Kind.PROVISIONING_CLAIM, made)
        await asyncio.sleep(line.pace.claim_every)
