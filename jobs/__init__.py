"""Work that happens by itself. Each job is one line in `ALL`; what devices say comes through `jobs.inbox`."""

from jobs.approvals import remind_or_expire, start
from jobs.campaign_reports import report
from jobs.campaigns import advance
from jobs.certificates import expiry
from jobs.decommissions import leave
from jobs.delivery import send
from jobs.diagnostics import settle
from jobs.drift import follow_up, sweep
from jobs.escalation import call_people, escalate
from jobs.events import tell
from jobs.fan_outs import ask_many
from jobs.fences import recount
from jobs.issuing import issue
from jobs.maintenance import windows
from jobs.outbox import post
from jobs.rehearsals import rehearse
from jobs.renewals import follow_up as follow_up_renewals
from jobs.revocation import keep
from jobs.rules import apply as apply_rules
from jobs.rules import notice_silence
from jobs.sealing import publish, seal
from jobs.snoozes import wake_up
from jobs.spec import Job
from jobs.suppression import summarise
from jobs.upkeep import tidy
from jobs.watch import flapping, locations, unknown_versions

ALL: tuple[Job, ...] = (
    send,
    seal,
    publish,
    issue,
    follow_up_renewals,
    keep,
    sweep,
    follow_up,
    summarise,
    notice_silence,
    apply_rules,
    flapping,
    unknown_versions,
    locations,
    expiry,
    settle,
    ask_many,
    escalate,
    wake_up,
    call_people,
    remind_or_expire,
    start,
    windows,
    leave,
    advance,
    recount,
    report,
    rehearse,
    post,
    tell,
    tidy,
)
