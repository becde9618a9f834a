"""Our own ids: time-ordered text, also used as MQTT correlation ids and in buttons.

`al-01K9X…` is an alert, `ap-…` an approval, `op-…` an operation, `dc-…` a drift case, `au-…` an audit entry, `ob-…` an
outbox row.
"""

from __future__ import annotations

from datetime import datetime

from ulid import ULID


def new(prefix: str, now: datetime) -> str:
    """A fresh id: the prefix, a dash and 26 characters of Crockford base 32 that sort by `now`."""
    return f"{prefix}-{ULID.from_datetime(now)}"
