"""Which devices are meant: `site:oslo model:gw2 firmware:<1.4 status:active tag:env=prod -group:canary dev-1 dev-*`.

    Selector(terms)                      all terms must hold (AND); no terms: every device, written `all`
    ├── Match(field, values)             site:oslo,bergen   one of the values; also model, group, target, reported,
    │                                    and id, which bare words become: `dev-1 dev-*` is id:dev-1,dev-*
    ├── Status(values)                   status:active,maintenance
    ├── Firmware(tests)                  firmware:<1.4,2.*  one of the tests; order as in fleet.version
    ├── Tag(name, values)                tag:env (has it) or tag:env=prod,test (one of the values)
    ├── Seen(op, ago)                    seen:<5m heard within 5 minutes, seen:>24h not heard for longer; a device
    │                                    that was never heard is neither (`seen:never` is Is(UNSEEN))
    ├── Is(state)                        is:online, is:offline, is:drifted, is:unseen
    └── Not(term)                        -group:canary

A `Value` with `glob` set has `*` for any run of characters; otherwise it is meant literally (quotes switch `*` off).
Quotes around one whole term, `"site:oslo"`, are left out: phones and shells put them there.
All text is compared with upper and lower case kept apart. `str(selector)` is canonical text: parsing it gives the same
selector back. Storage compiles this to SQL; `is:online` means heard within `drift.online_within` of now.
"""

from __future__ import annotations

from fleet.selector.parsing import MOST_CHARACTERS, parse
from fleet.selector.terms import (
    Field,
    Firmware,
    Is,
    Match,
    Not,
    Op,
    Seen,
    Selector,
    State,
    Status,
    Tag,
    Term,
    Test,
    Value,
    VersionTest,
    one,
)

__all__ = [
    "MOST_CHARACTERS",
    "Field",
    "Firmware",
    "Is",
    "Match",
    "Not",
    "Op",
    "Seen",
    "Selector",
    "State",
    "Status",
    "Tag",
    "Term",
    "Test",
    "Value",
    "VersionTest",
    "one",
    "parse",
]
