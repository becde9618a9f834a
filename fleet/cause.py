"""Why devices of a campaign failed, as people and buttons name it.

A cause is the text that is shown of it, in the device's words where it has some. Those are not to be trusted inside a
button's line, so buttons carry a token of it; a person types the text itself, or its beginning.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from fleet.errors import BadInput, NotFound

_LISTED = 5
_TOKEN = re.compile("[0-9a-f]{8}")


def token(cause: str) -> str:
    """Eight hexadecimal digits, the same for the same cause wherever it is met."""
    return hashlib.blake2b(cause.encode("utf-8", "replace"), digest_size=4).hexdigest()


def meant(named: str, causes: Sequence[str]) -> str:
    """The one of the causes that is named: by its token, its text, or what only its text begins with.

    Raises NotFound, and BadInput if several begin so.
    """
    named = named.removesuffix("…").rstrip()  # as a table shows it that had no room for the rest
    for each in causes:
        if named in (each, token(each)):
            return each
    begin_so = [each for each in causes if each.casefold().startswith(named.casefold())]
    match begin_so:
        case [only]:
            return only
        case [] if _TOKEN.fullmatch(named):
            raise NotFound("Those devices do not stand as failed any more: somebody has just tried them again.")
        case []:
            now = (
                f"What failed: {_list(causes)}." if causes else "Nothing has failed in it, or it is tried again by now."
            )
            raise NotFound(f"No device has failed with the cause {named!r}, or not any more. {now}")
        case _:
            raise BadInput(f"Several causes begin with {named!r}: {_list(begin_so)}. Write more of the one you mean.")


def _list(causes: Sequence[str]) -> str:
    more = f" and {len(causes) - _LISTED:,} more" if len(causes) > _LISTED else ""
    return ", ".join(f'"{each.rstrip(".")}"' for each in causes[:_LISTED]) + more
