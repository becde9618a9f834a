"""The file that the broker reads revoked certificates from: replaced as a whole, then the broker is told.

A marker beside it (`crl.pem.untold`) stands from before the write until the hook has worked. So a hook that fails, or a
crash in between, is made up for at the next look, and nothing has to be remembered.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from pathlib import Path

import structlog

from fleet import pki
from fleet.pki import Unfit
from fleet.settings import CertificateSettings
from jobs.ports import NotPlaced

log = structlog.get_logger(__name__)

_HOOK_SECONDS = 30.0
_SAID = 300  # characters of what the hook said


class RevocationFile:
    """One file and one hook. `place` is safe to call at any time, and as often as one likes."""

    def __init__(self, path: Path, hook: str) -> None:
        self._path = path
        self._hook = shlex.split(hook)
        self._marker = path.with_name(f"{path.name}.untold")

    async def place(self, pem: str) -> str:
        """Let the file be this list, and the broker know. Returns what was wrong with the one found, if anything was.

        Raises NotPlaced: the file cannot be written, or the hook failed.
        """
        try:
            found, untold = await asyncio.to_thread(self._write, pem.encode())
        except OSError as fault:
            raise NotPlaced(f"{self._path} cannot be written: {fault.strerror or fault}.") from None
        if untold:
            await self._tell_broker()
            await asyncio.to_thread(self._marker.unlink, missing_ok=True)
        return found

    def _write(self, pem: bytes) -> tuple[str, bool]:
        present = self._path.read_bytes() if self._path.exists() else None
        if present == pem:
            return "", self._marker.exists()
        found = "" if present is None else _what_is_wrong_with(present)
        self._marker.touch()
        new = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        with new.open("wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        new.chmod(0o644)  # the broker is another user, and a list of serials is no secret
        new.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return found, True

    async def _tell_broker(self) -> None:
        if not self._hook:
            return
        try:
            hook = await asyncio.create_subprocess_exec(*self._hook, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
        except OSError as fault:
            raise NotPlaced(f"The hook {self._hook[0]} cannot be run: {fault.strerror or fault}.") from None
        try:
            said, _ = await asyncio.wait_for(hook.communicate(), _HOOK_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                hook.kill()
            await hook.wait()
            raise NotPlaced(f"The hook {self._hook[0]} did not end within {_HOOK_SECONDS:g} s.") from None
        if hook.returncode:
            words = said.decode(errors="replace").strip()[-_SAID:]
            raise NotPlaced(f"The hook {self._hook[0]} failed with {hook.returncode}: {words or 'it said nothing'}.")
        log.info("the broker was told of the revocation list", hook=self._hook[0])


def of_settings(settings: CertificateSettings) -> RevocationFile | None:
    return RevocationFile(settings.crl_file, settings.crl_hook) if settings.crl_file else None


def _what_is_wrong_with(present: bytes) -> str:
    if not present:
        return "The file was found empty."
    try:
        pki.read_list(present)
    except Unfit:
        return "The file was found damaged: it was no revocation list."
    return ""
