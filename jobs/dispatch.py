"""How each kind of operation leaves: one line a kind. `jobs.delivery` is the only one who asks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fleet.operation import OperationKind
from jobs import clearing, diagnostic_requests, firmware, pushes, renewals, restarts
from jobs.spec import Dispatch

BY_KIND: Mapping[OperationKind, Dispatch] = MappingProxyType(
    {
        OperationKind.CONFIG: pushes.DISPATCH,
        OperationKind.FIRMWARE: firmware.DISPATCH,
        OperationKind.PING: diagnostic_requests.DISPATCH,
        OperationKind.METRICS: diagnostic_requests.DISPATCH,
        OperationKind.LOGS: diagnostic_requests.DISPATCH,
        OperationKind.CLEAR: clearing.DISPATCH,
        OperationKind.RESTART: restarts.DISPATCH,
        OperationKind.CERTIFICATE_RENEW: renewals.ASKED,
        OperationKind.CERTIFICATE_ISSUED: renewals.ISSUED,
    }
)
