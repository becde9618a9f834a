"""What people can type: each command is one function, and one line in `ALL`."""

from commands import alert, config, dashboard, device, drift, fleet, group
from commands.spec import AnyCommand

ALL: tuple[AnyCommand, ...] = (
    fleet.status,
    fleet.find,
    device.show,
    device.move,
    drift.list_open,
    drift.show,
    drift.sweep,
    drift.retry,
    drift.snooze,
    config.show,
    config.diff,
    config.add,
    config.assign,
    group.list_all,
    group.show,
    group.save,
    group.add,
    group.remove,
    group.delete,
    dashboard.list_all,
    dashboard.add,
    dashboard.remove,
    alert.list_open,
    alert.show,
    alert.ack,
    alert.investigate,
    alert.snooze,
    alert.resolve,
)
