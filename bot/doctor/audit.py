"""The audit: is there a key to seal it with, and a place for what is published of it?"""

from __future__ import annotations

import os
from collections.abc import Iterator

from bot.doctor.finding import Finding, fine, warning
from fleet.settings import AuditSettings


def check(settings: AuditSettings) -> Iterator[Finding]:
    if settings.key is None:
        said = "there is no key: entries are kept, but not sealed, and a change of them would not be noticed"
        yield warning("audit", said, "Set MUSTER_AUDIT_KEY, for example to what `openssl rand -hex 32` gives.")
        return
    yield fine("audit", "entries are sealed")
    if settings.head_file is None:
        yield warning("audit", "its head is published in Slack alone", "Set audit.head_file to a file elsewhere.")
        return
    folder = settings.head_file.absolute().parent
    if not os.access(settings.head_file if settings.head_file.exists() else folder, os.W_OK):
        said = f"{settings.head_file} cannot be written"
        yield warning("audit", said, "Let Muster's account append to audit.head_file.")
