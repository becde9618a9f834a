"""Configuration versions: immutable, each with the SHA-256 of its canonical JSON text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.errors import Refused, not_found
from storage import batch
from storage.tables import ConfigVersion, config_versions


def sha256(body: str) -> str:
    """Of the UTF-8 bytes, in hex."""
    return hashlib.sha256(body.encode()).hexdigest()


async def add(session: AsyncSession, version: str, body: str, note: str, by: str, now: datetime) -> bool:
    """Keep a new version; `body` is canonical JSON text. False if the very same one is there already.

    Raises Refused if the version exists with another body: a version never changes.
    """
    row = ConfigVersion(version=version, sha256=sha256(body), body=body, note=note, created_at=now, created_by=by)
    insert = batch.insert(session, config_versions).on_conflict_do_nothing().returning(config_versions.c.version)
    if (await session.execute(insert, [row.model_dump()])).first():
        return True
    there = await get(session, version)
    if there.sha256 != row.sha256:
        raise Refused(
            f"Configuration {version} exists already with another content (sha256 {there.sha256[:12]}…, "
            f"yours {row.sha256[:12]}…). Versions never change: choose a new name."
        )
    return False


async def get(session: AsyncSession, version: str) -> ConfigVersion:
    """One version. Raises NotFound naming near ones."""
    if found := await session.get(ConfigVersion, version):
        return found
    newest = select(config_versions.c.version).order_by(config_versions.c.created_at.desc()).limit(200)
    raise not_found(
        "configuration", version, await session.scalars(newest), "See what there is with /fleet config show, or add it."
    )


async def known(session: AsyncSession, versions: Iterable[str]) -> set[str]:
    """Those of the versions that the registry holds."""
    given = batch.texts(session)
    statement = select(config_versions.c.version).join(given, given.c.value == config_versions.c.version)
    return set(await session.scalars(statement, {"given": batch.dump(set(versions))}))


async def recent(session: AsyncSession, limit: int) -> Sequence[ConfigVersion]:
    """The newest versions first."""
    statement = select(ConfigVersion).order_by(config_versions.c.created_at.desc()).limit(limit)
    return (await session.scalars(statement)).all()


async def bodies(session: AsyncSession, versions: Iterable[str]) -> dict[str, ConfigVersion]:
    """These versions by name; one that does not exist is absent."""
    statement = select(ConfigVersion).where(config_versions.c.version.in_(set(versions)))
    return {each.version: each for each in await session.scalars(statement)}
