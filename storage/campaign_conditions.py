"""What each kind of campaign looks for in the rows: one line a kind.

`unfit(params)`: conditions on `devices` under which a device cannot be done, each with the reason in a few words.
`already(params)`: a condition on `devices` under which a device has what the campaign brings, and is skipped.
`succeeded(params)`: a condition on `campaign_devices`, `devices` and `operations` (which may be missing, so its NULLs
count as false) that makes a device under way a success.
`proven(params)`: the same kind of condition, looked at when a device's time is over: without an answer, but done.
`order`: a column of `devices`, smallest first; None takes one device of each site and model in turn, online ones first.
`needs_device`: an offline device cannot be done, and is parked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, false, not_, or_, text

from fleet.campaign import CampaignKind, TargetState
from fleet.certificate import CertificateState
from fleet.lifecycle import DeviceStatus
from fleet.operation import OperationState
from storage.tables import campaign_devices, certificates, devices, firmware, maintenance_windows, operations
from storage.tables.lifecycle import OPEN_WINDOW

Params = Mapping[str, Any]
Unfit = Sequence[tuple[ColumnElement[bool], str]]


def _never(_params: Params) -> ColumnElement[bool]:
    return false()


def _all_fit(_params: Params) -> Unfit:
    return ()


@dataclass(frozen=True, slots=True)
class Conditions:
    succeeded: Callable[[Params], ColumnElement[bool]]
    already: Callable[[Params], ColumnElement[bool]] = _never
    unfit: Callable[[Params], Unfit] = _all_fit
    proven: Callable[[Params], ColumnElement[bool]] = _never
    order: ColumnElement[Any] | None = None
    needs_device: bool = True


HAS_IT = "has it already"
"""The reason for which a device that has what the campaign brings is left out."""

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


def _has_firmware(params: Params) -> ColumnElement[bool]:
    return and_(devices.c.firmware_version == params["version"])


def _updated(params: Params) -> ColumnElement[bool]:
    """A status reports the version on a new boot: what is reported before the reboot proves nothing."""
    return and_(_has_firmware(params), REBOOTED, devices.c.boot_id != "")


def _without_artefact(params: Params) -> Unfit:
    fits = firmware.c.model.in_((devices.c.model, ""))
    artefact = exists().where(firmware.c.version == params["version"], fits)
    return ((not_(artefact), f"firmware {params['version']} has no artefact for its model"),)


def _renewed(_params: Params) -> ColumnElement[bool]:
    """The certificate that it got in this campaign is in use. Correlated by name: the target may stand further out."""
    in_use = exists().where(
        certificates.c.device_id == campaign_devices.c.device_id,
        certificates.c.campaign_id == campaign_devices.c.campaign_id,
        certificates.c.state == CertificateState.INSTALLED,
    )
    return in_use.correlate(campaign_devices)


def _without_certificate(_params: Params) -> Unfit:
    none = devices.c.certificate_not_after.is_(None)
    revoked = exists().where(
        certificates.c.device_id == devices.c.device_id, certificates.c.state == CertificateState.REVOKED
    )
    return (
        (and_(none, revoked), "its certificates are revoked (device provision allows a new one)"),
        (none, "it has no certificate that is known here"),
    )


def _decommissioned(_params: Params) -> ColumnElement[bool]:
    return and_(devices.c.status == DeviceStatus.DECOMMISSIONED)


def _still_needed(params: Params) -> Unfit:
    """`named`: the devices that alert rules name, unless those are left or removed."""
    open_window = exists().where(maintenance_windows.c.device_id == devices.c.device_id, text(OPEN_WINDOW))
    named = devices.c.device_id.in_(params.get("named", ()))
    return ((open_window, "a maintenance is planned for it"), (named, "an alert rule names it"))


BY_KIND: Mapping[CampaignKind, Conditions] = MappingProxyType(
    {
        CampaignKind.CONFIG: Conditions(already=_runs, succeeded=_configured),
        CampaignKind.RESTART: Conditions(succeeded=_restarted, proven=lambda _params: REBOOTED),
        CampaignKind.FIRMWARE: Conditions(already=_has_firmware, succeeded=_updated, unfit=_without_artefact),
        CampaignKind.ROTATE_CERTS: Conditions(
            succeeded=_renewed, unfit=_without_certificate, order=devices.c.certificate_not_after
        ),
        CampaignKind.DECOMMISSION: Conditions(succeeded=_decommissioned, unfit=_still_needed, needs_device=False),
    }
)
