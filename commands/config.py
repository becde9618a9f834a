"""Configurations: immutable versions, and which devices should run which."""

from __future__ import annotations

import json
import re
from collections import Counter

from commands.spec import Call, Rest, command
from fleet.difference import Difference, How, differences
from fleet.errors import BadInput, Refused
from fleet.message import Button, Message
from fleet.mismatch import Mismatch, mismatch
from fleet.roles import Role
from fleet.selector import Field, Match, Selector, Value
from link.wire import canonical
from storage import audit, configs, devices, drift, fences, groups, schedule

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,127}")
_LISTED = 15
_DIFFERENCES = 60
_SHOWN = 2500  # characters of a body that fit a message


@command("config show", role=Role.VIEWER, example="config show 2026.2.0")
async def show(call: Call, version: str | None = None) -> Message:
    """One configuration with its content, or the newest ones."""
    async with call.db.read() as session:
        if version is None:
            newest = await configs.recent(session, _LISTED)
            rows = [[each.version, each.sha256[:12], each.created_at, each.note] for each in newest]
            return Message(template="config/list", data={"rows": rows, "now": call.now})
        found = await configs.get(session, version)
        used = Selector((Match(Field.TARGET, (Value(version),)),))
        page = await devices.find(session, used, call.now, call.settings.drift.online_within, 1)
    body = json.dumps(json.loads(found.body), indent=2, ensure_ascii=False)
    return Message(
        template="config/show",
        data={
            "version": found.version,
            "sha256": found.sha256,
            "created_at": found.created_at,
            "created_by": found.created_by,
            "note": found.note,
            "devices": page.total,
            "body": body[:_SHOWN],
            "cut": len(body) > _SHOWN,
        },
    )


@command("config add", role=Role.OPERATOR, example='config add 2026.2.1 {"sampling_s": 30}')
async def add(call: Call, version: str, content: Rest) -> Message:
    """Keep a new configuration under a version name. It can be assigned afterwards, and never changes.

    The content is a JSON object. A file is added on the machine of the bot with `muster config VERSION FILE`.
    """
    check_name(version)
    body = readable(content, call.settings.config.max_bytes)
    sha256 = configs.sha256(body)
    async with call.db.begin() as session:
        new = await configs.add(session, version, body, "", call.person.id, call.now)
        if new:
            await audit.add(session, call.now, call.person.id, "config.added", version, {"sha256": sha256})
    return Message(
        template="config/added",
        data={"version": version, "sha256": sha256, "new": new},
        buttons=(Button(text="Show it", run=f"config show {version}"),),
    )


@command("config diff", role=Role.VIEWER, example="config diff dev-1")
async def diff(call: Call, device: str) -> Message:
    """What differs between the configuration that a device runs and the one it should run, and since when."""
    async with call.db.read() as session:
        row = await devices.get(session, device)
        case = await drift.open_case(session, device)
        target, reported = row.target_config_version, row.reported_config_version
        if target is None:
            raise Refused(f"{device} has no target configuration. Give it one: /fleet config assign <version> {device}")
        bodies = await configs.bodies(session, {target, reported})
    how = mismatch(target, reported, reported in bodies)
    found: list[Difference] = []
    if reported in bodies and how is not Mismatch.NONE:
        found = list(differences(json.loads(bodies[reported].body), json.loads(bodies[target].body)))
    counts = Counter(each.how.value for each in found)
    return Message(
        template="config/diff",
        data={
            "now": call.now,
            "device_id": device,
            "target": target,
            "reported": reported,
            "how": how.value,
            "detected_at": case.detected_at if case else None,
            "target_set_at": row.target_set_at,
            "counts": [[each.value, counts[each.value]] for each in How if counts[each.value]],
            "total": len(found),
            "rows": [[each.path, each.how.value, each.before, each.after] for each in found[:_DIFFERENCES]],
        },
        buttons=(Button(text="Drift case", run=f"drift show {device}"),) if case else (),
    )


def check_name(version: str) -> None:
    """Raises BadInput if nobody could type or report a version of this name."""
    if not _NAME.fullmatch(version):
        raise BadInput(
            f"{version[:40]!r} cannot be a version name. It is one word of at most 128 letters, digits and . _ : + -, "
            "and begins with a letter or a digit, like 2026.2.1."
        )


def readable(content: str, max_bytes: int) -> str:
    """The content as canonical JSON text. Raises BadInput if it is no JSON object, or too large."""
    try:
        parsed = json.loads(content)
        body = canonical(parsed)
    except ValueError as error:
        raise BadInput(f"The configuration is not valid JSON: {error}. Mend it and send it again.") from None
    if not isinstance(parsed, dict):
        raise BadInput('The configuration must be a JSON object, like {"sampling_s": 30}.')
    if "\\u0000" in body or "\x00" in body:
        raise BadInput("The configuration holds a NUL character, which cannot be kept. Take it out.")
    if len(body.encode()) > max_bytes:
        raise BadInput(f"The configuration has {len(body.encode()):,} bytes; config.max_bytes allows {max_bytes:,}.")
    return body


@command("config assign", role=Role.OPERATOR, example="config assign 2026.2.0 dev-1 dev-2")
async def assign(call: Call, version: str, which: Selector) -> Message:
    """Make a configuration the target of a few devices. Those that run another one are pushed to at once."""
    limit = call.settings.config.assign_limit
    async with call.db.begin() as session:
        await configs.get(session, version)
        await groups.refuse_unknown(session, which)
        chosen, total = await devices.ids(session, which, call.now, call.settings.drift.online_within, limit)
        if total == 0:
            raise Refused(f"No device matches {which}. Nothing was changed; look with /fleet find {which}.")
        if total > limit:
            raise Refused(
                f"{which} means {total:,} devices, and /fleet config assign changes at most {limit} at once "
                "(config.assign_limit), because nobody approves it. Nothing was changed: narrow the selector."
            )
        changed = await devices.set_target(session, chosen, version, call.now)
        if changed:
            await schedule.bring_forward(session, schedule.SWEEP, call.now)
            await audit.add(session, call.now, call.person.id, "config.assigned", version, {"devices": changed})
        stopped = await fences.told(session, call.now)
    return Message(
        template="config/assigned",
        data={"version": version, "changed": changed, "unchanged": sorted(set(chosen) - set(changed)), **stopped},
        buttons=(Button(text="Drifted devices", run="drift list"),),
    )
