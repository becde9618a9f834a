"""A campaign's turn of certificates to be renewed: the request, at the moment that the pace gives to each device.

What follows (the request of the device, the new certificate, the end of the old one once the new one is seen in use)
is the same as for every renewal: jobs/issuing.py, jobs/renewals.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fleet.operation import OperationKind
from jobs.campaign_spec import Asked, Turn, queue


async def ask(asked: Asked, turns: Sequence[Turn]) -> Mapping[str, str | None]:
    until = max(each.due_at for each in turns) + asked.settings.certificates.renew_within
    return await queue(asked, turns, OperationKind.CERTIFICATE_RENEW, expires_at=until)
