"""One message or more for every template: `group/name` or `group/name.variant` -> Message.

`tests/bot/test_render.py` renders each and compares it with `tests/bot/rendered/<the same with dots>.txt`. After a
wanted change: `MUSTER_WRITE_RENDERED=1 pytest tests/bot/test_render.py`, and read the difference.
"""

from __future__ import annotations

from fleet.message import Message
from tests.bot.samples.alerts import ALERT, RULE
from tests.bot.samples.answers import HELP, PROBLEM
from tests.bot.samples.approvals import APPROVE, HOME
from tests.bot.samples.campaigns import BULK, FIRMWARE
from tests.bot.samples.devices import DASHBOARD, DEVICE, GROUP, RETAG
from tests.bot.samples.diagnostics import DIAG
from tests.bot.samples.drift import CONFIG, DRIFT
from tests.bot.samples.fleet import AUDIT, FLEET

SAMPLES: dict[str, Message] = {
    **RULE,
    **PROBLEM,
    **HELP,
    **ALERT,
    **APPROVE,
    **AUDIT,
    **BULK,
    **CONFIG,
    **DASHBOARD,
    **DEVICE,
    **DIAG,
    **DRIFT,
    **FIRMWARE,
    **FLEET,
    **GROUP,
    **HOME,
    **RETAG,
}
