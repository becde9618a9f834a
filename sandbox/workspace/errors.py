"""The one error of the stand-in workspace: Slack says no, in Slack's own words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class SlackError(Exception):
    """An answer `{"ok": false, "error": code}`.

    Slack answers most errors with HTTP 200; `status` is for the few it does not (429, 500, and 404 of a used-up
    response_url). `extra` is merged into the answer, `headers` into its headers.
    """

    def __init__(
        self,
        code: str,
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.headers = headers or {}
        self.extra = extra or {}

    @property
    def body(self) -> dict[str, Any]:
        return {"ok": False, "error": self.code, **self.extra}


def invalid_blocks(findings: Sequence[str]) -> SlackError:
    """`invalid_blocks` with one line per finding, as Slack writes them."""
    return _refusal("invalid_blocks", findings, errors=list(findings))


def invalid_arguments(findings: Sequence[str]) -> SlackError:
    """`invalid_arguments`, which is what Slack says of a view, with one line per finding."""
    return _refusal("invalid_arguments", findings)


def _refusal(code: str, findings: Sequence[str], **extra: Any) -> SlackError:
    messages = [f"[ERROR] {finding}" for finding in findings]
    return SlackError(code, extra={**extra, "response_metadata": {"messages": messages}})


def rate_limited(retry_after: float) -> SlackError:
    """HTTP 429 with Retry-After in whole seconds, at least one."""
    seconds = max(1, int(-(-retry_after // 1)))
    return SlackError("ratelimited", status=429, headers={"Retry-After": str(seconds)})
