"""Modals and Homes as they stand: which views are open before whom, what was filled in, and what was wrong with it.

Source: Slack's "Modals" (the stack of views, hashes) and "App Home".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.workspace import inputs, shapes
from sandbox.workspace.errors import SlackError

if TYPE_CHECKING:
    from sandbox.workspace.state import State

Json = dict[str, Any]

#: Of one modal: what was opened and what was pushed onto it.
MOST_VIEWS = 3


@dataclass(eq=False, slots=True)
class View:
    """`content` is what the app gave, with ids; `values` are `state.values`; `errors` are by block_id, and `trouble`
    is what the person is told when a submission failed."""

    id: str
    user: str
    content: Json
    hash: str
    root: str
    previous: str | None = None
    values: inputs.Values = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    trouble: str | None = None

    @property
    def blocks(self) -> list[Json]:
        found: list[Json] = self.content["blocks"]
        return found


class Surfaces:
    """The open modals of each person, the last one on top, and each person's Home."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._modals: dict[str, list[View]] = {}
        self._homes: dict[str, View] = {}
        self._changed: dict[str, int] = {}

    def modals(self, user: str) -> list[View]:
        return list(self._modals.get(user, ()))

    def home(self, user: str) -> View | None:
        return self._homes.get(user)

    def changed(self, user: str) -> int:
        """The number of the latest change of what this person has open."""
        return self._changed.get(user, 0)

    def find(self, view_id: str = "", external_id: str = "") -> View:
        """An open view. Raises `not_found`."""
        for view in self._all():
            if view_id == view.id or (external_id and external_id == view.content.get("external_id")):
                return view
        raise SlackError("not_found")

    def _all(self) -> list[View]:
        return [*(view for stack in self._modals.values() for view in stack), *self._homes.values()]

    # -- changing

    def open(self, user: str, content: Json) -> View:
        return self._put(user, content)

    def push(self, user: str, content: Json) -> View:
        """Onto the modal that is on top. Raises `not_found` if none is open, `push_limit_reached`."""
        stack = self._modals.get(user)
        if not stack:
            raise SlackError("not_found")
        top = stack[-1]
        if sum(view.root == top.root for view in stack) >= MOST_VIEWS:
            raise SlackError("push_limit_reached")
        return self._put(user, content, root=top.root, previous=top.id)

    def _put(self, user: str, content: Json, *, root: str = "", previous: str | None = None) -> View:
        view = self._made(user, content, root=root, previous=previous)
        self._modals.setdefault(user, []).append(view)
        self.tell(user)
        return view

    def _made(self, user: str, content: Json, *, root: str = "", previous: str | None = None) -> View:
        self._check_external_id(content)
        view_id = self._state.next_id("V")
        view = View(view_id, user, {}, "", root or view_id, previous)
        self._fill(view, content)
        return view

    def replace(self, view: View, content: Json, stamp: str = "") -> None:
        """Other content in the same view; what was filled in stays under the same ids. Raises `hash_conflict`."""
        if stamp and stamp != view.hash:
            raise SlackError("hash_conflict")
        if content.get("external_id") != view.content.get("external_id"):
            self._check_external_id(content)
        self._fill(view, content)
        self.tell(view.user)

    def _fill(self, view: View, content: Json) -> None:
        view.content = {**content, "blocks": shapes.with_ids(self._state, content["blocks"])}
        view.values = inputs.values(view.blocks, view.values)
        view.errors, view.trouble, view.hash = {}, None, self._state.next_ts()

    def publish(self, user: str, content: Json, stamp: str = "") -> View:
        home = self._homes.get(user)
        if home is None:
            home = self._homes[user] = self._made(user, content)
            self.tell(user)
        else:
            self.replace(home, content, stamp)
        return home

    def _check_external_id(self, content: Json) -> None:
        external_id = content.get("external_id")
        if external_id and any(view.content.get("external_id") == external_id for view in self._all()):
            raise SlackError("duplicate_external_id")

    def close(self, view: View, *, whole: bool = False) -> list[View]:
        """Takes one view away, or with `whole` its modal with everything in it. What was closed, the top first."""
        stack = self._modals.get(view.user, [])
        closed = [one for one in reversed(stack) if one is view or (whole and one.root == view.root)]
        self._modals[view.user] = [one for one in stack if one not in closed]
        self.tell(view.user)
        return closed

    def clear(self) -> None:
        users = {*self._modals, *self._homes}
        self._modals.clear()
        self._homes.clear()
        for user in users:
            self.tell(user)

    def tell(self, user: str) -> None:
        """Something that this person has open looks different now."""
        self._changed[user] = self._state.changes.number + 1
        self._state.changes.tell("surfaces", facts={"user": user, **self.seen(user)})

    def seen(self, user: str) -> Json:
        """What this person has before them: `modals`, the last on top, and `home`."""
        home = self.home(user)
        return {
            "modals": [shapes.seen_view(view) for view in self.modals(user)],
            "home": None if home is None else shapes.seen_view(home),
        }
