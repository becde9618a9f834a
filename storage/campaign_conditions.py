"""What each kind of campaign looks for in the rows: one line a kind.

`already(params)`: a condition on `devices` under which a device has what the campaign brings, and is skipped.
`succeeded(params)`: a condition on `campaign_devices`, `devices` and `operations` (which may be missing, so its NULLs
count as false) that makes a device under way a success.
`order`: a column of `devices`, smallest first; None takes one device of each site and model in turn, online ones first.
`needs_device`: an offline device cannot be done, and is parked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_

from fleet.campaign import CampaignKind, TargetState
from fleet.operation import OperationState
from storage.tables import campaign_devices, devices, operations

Params = Mapping[str, Any]


def _never(_params: Params) -> ColumnElement[bool]:
    return false()


@dataclass(frozen=True, slots=True)
class Conditions:
    succeeded: Callable[[Params], ColumnElement[bool]]
    already: Callable[[Params], ColumnElement[bool]] = _never
    order: ColumnElement[Any] | None = None
    needs_device: bool = True


ANSWERED = operations.c.state == OperationState.DONE
REBOOTED = devices.c.boot_id != campaign_devices.c.boot_id
"""It reports another boot than the one that was known when it was sent to."""


def _runs(params: Params) -> ColumnElement[bool]:
    version = params["version"]
    return and_(devices.c.reported_config_version == version, devices.c.target_config_version == version)


def _configured(params: Params) -> ColumnElement[bool]:
    """It acked; or its status says so, where the ack was lost."""
    return or_(ANSWERED, devices.c.reported_config_version == params["version"])


def _restarted(_params: Params) -> ColumnElement[bool]:
    """A new boot after a yes; or a yes from a device that never tells its boots."""
    said_yes = or_(ANSWERED, campaign_devices.c.state == TargetState.ACKED)
    return or_(and_(REBOOTED, said_yes), and_(ANSWERED, devices.c.boot_id == ""))


BY_KIND: Mapping[CampaignKind, Conditions] = MappingProxyType(
    {
        CampaignKind.CONFIG: Conditions(already=_runs, succeeded=_configured),
        CampaignKind.RESTART: Conditions(succeeded=_restarted),
    }
)
