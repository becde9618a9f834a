"""A simulated fleet: hundreds of devices over a few connections, each behaving by name.

A device is a real citizen of the wire format (`link.wire`): it sends statuses and telemetry, takes orders, answers, and
dedupes by (operation, attempt). What a device does with one kind of order is one module here, with a line in
`line._PARTS`.
"""

from sandbox.devices.configuration import REJECTION
from sandbox.devices.device import Behaviour, Pace, SimulatedDevice, mixed
from sandbox.devices.fleet import SimulatedFleet
from sandbox.devices.identity import Identity, Manufacturer

__all__ = [
    "REJECTION",
    "Behaviour",
    "Identity",
    "Manufacturer",
    "Pace",
    "SimulatedDevice",
    "SimulatedFleet",
    "mixed",
]
