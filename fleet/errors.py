"""Everything that Muster refuses or cannot do, as sentences fit for a person in Slack.

    FleetError
    ├── BadInput          the words, flags, selector or file cannot be read
    ├── NotFound          nothing goes by that name
    ├── NotAllowed        the person may not do that
    ├── Refused           understood and allowed, but against a rule (a limit, a state, a conflict)
    └── Unavailable       a part of the house does not answer just now; the same request may work later
        └── Busy          the database is locked by another writer

Each text is one or more whole sentences: what was looked for, and the next step. Commands in it are written with the
root `/fleet`; where the root is another word, it is put in when the text is shown.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class FleetError(Exception):
    """A refusal that a person may read. `str(error)` is the text for Slack, plain (not yet escaped for mrkdwn)."""


class BadInput(FleetError):
    """The words, flags, selector or file cannot be read as they stand.

    `suggestion` is a whole corrected command line (without the root `/fleet`), when there is an obvious one. `field` is
    the field of a form that it is about: who filled it in sees the text there.
    """

    def __init__(self, text: str, suggestion: str | None = None, field: str | None = None) -> None:
        super().__init__(text)
        self.suggestion = suggestion
        self.field = field


class NotFound(FleetError):
    """Nothing goes by that name. Build it with `not_found` to name the nearest ones."""


class NotAllowed(FleetError):
    """The person's role does not reach, or could not be established."""


class Refused(FleetError):
    """Understood and allowed, but against a rule; the text names the rule and the way that is open."""


class Unavailable(FleetError):
    """A part of the house (broker, database, Slack) does not answer just now."""


class Busy(Unavailable):
    """The database is locked by another writer for longer than we wait."""


def not_found(kind: str, name: str, known: Iterable[str] = (), next_step: str = "") -> NotFound:
    """A NotFound that names what was looked for, up to three near misses among `known`, and the next step."""
    near = difflib.get_close_matches(name, list(dict.fromkeys(known)), n=3, cutoff=0.6)
    text = f"There is no {kind} called {name}."
    if near:
        text += f" Did you mean {' or '.join(near)}?"
    if next_step:
        text += f" {next_step}"
    return NotFound(text)
