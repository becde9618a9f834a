"""Work that happens by itself. Each job is one line in `ALL`; what devices say comes through `jobs.inbox`."""

from jobs.delivery import send
from jobs.drift import follow_up, sweep
from jobs.escalation import call_people, escalate
from jobs.outbox import post
from jobs.spec import Job
from jobs.upkeep import tidy

ALL: tuple[Job, ...] = (send, sweep, follow_up, escalate, call_people, post, tidy)
