"""Who takes what devices say, beyond statuses, telemetry and configuration acks: one line a kind.

`jobs.inbox` reads every message and writes what concerns the device itself; then it hands each kind over to its taker,
in the same transaction. A kind that nobody takes is a dead letter.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from jobs import certificate_requests, diagnostic_answers, firmware, restarts
from jobs.spec import Hearing
from link.wire import Kind

BY_KIND: Mapping[Kind, Hearing] = MappingProxyType(
    {
        Kind.FIRMWARE_STATE: firmware.state,
        Kind.COMMAND_ACK: restarts.answered,
        Kind.CERTIFICATE_CSR: certificate_requests.take_requests,
        Kind.CERTIFICATE_INSTALLED: certificate_requests.take_installed,
        Kind.PROVISIONING_CLAIM: certificate_requests.take_claims,
        Kind.PING_RESPONSE: diagnostic_answers.pings,
        Kind.METRICS_RESPONSE: diagnostic_answers.metrics,
        Kind.LOG_RESPONSE: diagnostic_answers.logs,
    }
)

OF_STRANGERS = frozenset({Kind.PROVISIONING_CLAIM})
"""What a device may say that is not registered: it is handed over all the same."""
