"""The part of the control API that is about modals and the Home tab; see `handle.Handle`."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from sandbox.workspace.errors import SlackError
from sandbox.workspace.seen import SeenRun, SeenView

Json = dict[str, Any]
Predicate = Callable[[SeenView], bool]


class ViewHandle(ABC):
    @abstractmethod
    async def call(self, verb: str, /, **arguments: Any) -> Any:
        """One verb of `control.Control`."""

    async def fill(self, user: str, values: Json, *, view: str | None = None) -> SeenView:
        """Fills in the modal on top. Keys are labels, block_ids or action_ids; values are texts, the value or words of
        an option, ids, dates, or lists of them; nothing empties an input."""
        return SeenView.model_validate(await self.call("fill", user=user, values=values, view=view))

    async def submit(self, user: str, values: Json | None = None, *, view: str | None = None) -> SeenRun:
        """Fills in and submits. `error` is `incomplete` where Slack's client would not send it, `operation_timeout`
        where the app was late; what the app finds wrong stands in the modal's `errors`."""
        return SeenRun.model_validate(await self.call("submit", user=user, values=values, view=view))

    async def close_modal(self, user: str, *, whole: bool = False) -> SeenRun:
        """Closes the view on top, or `whole` the modal with everything in it."""
        return SeenRun.model_validate(await self.call("close", user=user, whole=whole))

    async def modals(self, user: str) -> list[SeenView]:
        """What is open before a person, the last on top."""
        found = await self.call("surfaces", user=user)
        return [SeenView.model_validate(one) for one in found["modals"]]

    async def modal(self, user: str) -> SeenView:
        """The view on top. Raises `view_not_found`."""
        view = _shown(await self.call("surfaces", user=user), "modal")
        if view is None:
            raise SlackError("view_not_found")
        return view

    async def open_home(self, user: str, tab: str = "home") -> None:
        """Opens the app's Home tab (or its `messages`): the app hears `app_home_opened`."""
        await self.call("open_app", user=user, tab=tab)

    async def home(self, user: str) -> SeenView | None:
        """What the app has published for a person."""
        return _shown(await self.call("surfaces", user=user), "home")

    async def wait_for_modal(
        self, user: str, predicate: Predicate | None = None, *, contains: str | None = None, timeout: float = 5.0
    ) -> SeenView:
        """Until the view on top fits everything given."""
        return await self._wait_for_view(user, "modal", predicate, contains, timeout)

    async def wait_for_home(
        self, user: str, predicate: Predicate | None = None, *, contains: str | None = None, timeout: float = 5.0
    ) -> SeenView:
        """Until what is published for a person fits everything given."""
        return await self._wait_for_view(user, "home", predicate, contains, timeout)

    async def wait_for_no_modal(self, user: str, *, timeout: float = 5.0) -> None:
        """Until nothing is open before a person."""
        deadline = time.monotonic() + timeout
        found = await self.call("surfaces", user=user)
        while found["modals"]:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"a modal is still open: {SeenView.model_validate(found['modals'][-1]).words}")
            found = await self.call("surfaces", user=user, after=found["change"], timeout=left)

    async def _wait_for_view(
        self, user: str, where: str, predicate: Predicate | None, contains: str | None, timeout: float
    ) -> SeenView:
        deadline = time.monotonic() + timeout
        found = await self.call("surfaces", user=user)
        while True:
            view = _shown(found, where)
            if view and (contains is None or view.says(contains)) and (predicate is None or predicate(view)):
                return view
            left = deadline - time.monotonic()
            if left <= 0:
                said = view.words if view else "nothing"
                raise TimeoutError(f"no {where} that fits within {timeout} s; there is: {said}")
            found = await self.call("surfaces", user=user, after=found["change"], timeout=left)


def _shown(found: Json, where: str) -> SeenView | None:
    """The view on top, or the Home tab."""
    one = found["home"] if where == "home" else next(reversed(found["modals"]), None)
    return None if one is None else SeenView.model_validate(one)
