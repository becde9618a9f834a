"""An alert as people see it: the template of its kind, and the buttons that still make sense."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.alert import OF_THE_HOUSE, AlertKind, AlertState, about
from fleet.message import Button, Message, Style, word

_RULED = frozenset({AlertKind.OFFLINE, AlertKind.CPU, AlertKind.RAM, AlertKind.DISK})


def message(kind: AlertKind, state: AlertState, data: Mapping[str, Any]) -> Message:
    """The alert as it stands now. `data` is its row as a mapping; without a `device_id` it is about a group."""
    alert_id, single = str(data["alert_id"]), bool(data.get("device_id"))
    alone = kind in OF_THE_HOUSE
    ends = (_open(alert_id),) if alone else (_shown(str(data["device_id"])),) if single else (_listed(alert_id),)
    acknowledge = Button(text="Acknowledge", run=f"alert ack {alert_id}", style=Style.PRIMARY)
    remedies = _remedies(kind, data) if single else ()
    investigate = Button(text="Investigate", run=f"alert investigate {alert_id}")
    buttons = {
        AlertState.OPEN: (
            (*remedies, investigate, _snooze(alert_id))
            if single and kind is AlertKind.LOCATION
            else (acknowledge, *remedies, *ends, _snooze(alert_id))
        ),
        AlertState.SNOOZED: (
            acknowledge,
            Button(text="End snooze", run=f"alert snooze {alert_id} 0"),
            *remedies,
            *ends,
        ),
        AlertState.ACKNOWLEDGED: (*remedies, *ends),
        AlertState.RESOLVED: ends,
    }[state]
    if state is AlertState.RESOLVED and _by_hand(data):
        template = "closed"
    elif single or alone or kind is AlertKind.UNKNOWN_VERSION:
        template = "rule" if kind in _RULED else kind.value
    else:
        template = "group"
    shown = {**data, "kind": kind.value, "state": state.value}
    if template == "closed":
        shown["about"] = about(kind, data.get("device_id"), shown)
    return Message(template=f"alert/{template}", data=shown, buttons=buttons)


def _by_hand(data: Mapping[str, Any]) -> bool:
    """A person closed it: devices are left in it, or there is a reason. What ends otherwise leaves neither."""
    person = str(data.get("resolved_by") or "")[:1] in ("U", "W")
    return person and bool(data.get("remaining") or data.get("resolved_why") or not data.get("devices"))


def _snooze(alert_id: str) -> Button:
    return Button(text="Snooze 1 h", run=f"alert snooze {alert_id} 1h")


def _shown(device_id: str) -> Button:
    return Button(text="Show device", run=f"device show {device_id}")


def _open(alert_id: str) -> Button:
    return Button(text="Show alert", run=f"alert show {alert_id}")


def _listed(alert_id: str) -> Button:
    return Button(text="Show devices", run=f"alert show {alert_id}")


def _remedies(kind: AlertKind, data: Mapping[str, Any]) -> tuple[Button, ...]:
    device_id = str(data["device_id"])
    match kind:
        case AlertKind.DRIFT:
            return (
                Button(text="Retry push", run=f"drift retry {device_id}"),
                Button(text="Ping", run=f"diag ping {device_id}"),
                Button(text="Logs", run=f"diag logs {device_id}"),
            )
        case AlertKind.FLAPPING:
            return (Button(text="Its cases", run=f"drift show {device_id}"),)
        case AlertKind.LOCATION:
            site = str(data.get("reported_site") or "")
            if (written := word(site)) is None:
                return ()  # no line can be trusted to mean exactly what the device said: a person types it
            confirm = f"{device_id} then belongs to {site} in the registry."
            run = f"device move {device_id} {written}"
            return (Button(text="Accept new site", run=run, style=Style.PRIMARY, confirm=confirm),)
        case AlertKind.OFFLINE:
            return Button(text="Ping", run=f"diag ping {device_id}"), _rule(data)
        case AlertKind.CPU | AlertKind.RAM | AlertKind.DISK:
            return Button(text="Metrics", run=f"diag metrics {device_id}"), _rule(data)
        case _:
            return ()


def _rule(data: Mapping[str, Any]) -> Button:
    return Button(text="Its rule", run=f"rule show {data['rule']}")
