"""What people do in modals and on the Home tab: fill in, click, submit, close.

Sources: Slack's "Modals", and its reference of the payloads `view_submission`, `view_closed` and `block_actions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.workspace import clicks, inputs, shapes
from sandbox.workspace.errors import SlackError
from sandbox.workspace.events import Spawn
from sandbox.workspace.runs import Run, Runs, error_of
from sandbox.workspace.socket_mode import SocketMode
from sandbox.workspace.state import State
from sandbox.workspace.surfaces import View
from sandbox.workspace.triggers import Triggers
from sandbox.workspace.view_rules import check_view

Json = dict[str, Any]

#: What Slack's client says when a submission was not acknowledged in time, or was answered with nonsense.
TROUBLE = "We had some trouble connecting. Try again?"


class Modals:
    def __init__(self, state: State, sockets: SocketMode, runs: Runs, triggers: Triggers, spawn: Spawn) -> None:
        self._state = state
        self._surfaces = state.surfaces
        self._sockets = sockets
        self._runs = runs
        self._triggers = triggers
        self._spawn = spawn

    def _view(self, user: str, view_id: str | None) -> View:
        """The view on top, or the Home tab by its id. Raises `view_not_found`: what lies below is out of reach."""
        home = self._surfaces.home(user)
        if home is not None and view_id == home.id:
            return home
        stack = self._surfaces.modals(user)
        if not stack or view_id not in (None, stack[-1].id):
            raise SlackError("view_not_found", extra={"detail": f"on top: {stack[-1].id if stack else 'no modal'}"})
        return stack[-1]

    def _begin(self, view: View, did: str) -> Run:
        return self._runs.begin(view.user, self._state.im(view.user).id, f"{did} {view.content.get('callback_id', '')}")

    def _payload(self, kind: str, view: View) -> Json:
        user = self._state.users[view.user]
        return {"type": kind, **shapes.interaction(user), "view": shapes.view(view)}

    def fill(self, user: str, given: Mapping[str, Any], view_id: str | None = None) -> View:
        """Fills in by label, block_id or action_id; see `inputs.filled` for the values."""
        view = self._view(user, view_id)
        for name, value in given.items():
            found = inputs.find(view.blocks, name)
            block_id, action_id = found.place
            now = inputs.filled(found.element, value)
            if now != view.values[block_id][action_id]:
                view.values[block_id][action_id] = now
                view.errors.pop(block_id, None)
        self._surfaces.tell(user)
        return view

    def click(self, user: str, view_id: str, action: str, *, value: Any = None, block: str | None = None) -> Run:
        """A button or menu in the view on top, or on the Home tab."""
        view = self._view(user, view_id)
        found = clicks.find(view.blocks, action, value, block)
        chosen = inputs.chosen(found.element, value)
        if found.element["type"] in inputs.KINDS:
            block_id, action_id = found.place
            view.values[block_id][action_id] = chosen
            self._surfaces.tell(user)
        run = self._begin(view, f"click {action}")
        payload = self._payload("block_actions", view) | {
            "container": {"type": "view", "view_id": view.id},
            "trigger_id": self._triggers.issue(user),
            "actions": [clicks.action(found, chosen, self._state.next_ts())],
        }
        self._spawn(self._runs.deliver(run, payload))
        return run

    # -- submitting

    def submit(self, user: str, view_id: str | None = None) -> Run:
        """Presses the submit button. What Slack's client would not send is not sent: `incomplete`."""
        view = self._view(user, view_id)
        if view.content.get("submit") is None:
            raise SlackError("not_submittable")
        run = self._begin(view, "submit")
        view.errors, view.trouble = inputs.missing(view.blocks, view.values), None
        self._surfaces.tell(user)
        if view.errors:
            return self._runs.settle(run, "incomplete", "Something is missing in the form.")
        payload = self._payload("view_submission", view) | {
            "trigger_id": self._triggers.issue(user),
            "response_urls": [],
        }
        self._spawn(self._deliver(run, view, payload))
        return run

    async def _deliver(self, run: Run, view: View, payload: Json) -> None:
        delivery = await self._sockets.deliver("interactive", payload, accepts_payload=True)
        error = None if delivery.acked else error_of(delivery)
        if delivery.acked and view in self._surfaces.modals(view.user):
            try:
                self._answered(view, delivery.payload)
            except SlackError as refusal:
                error = refusal.code
        if error is not None:
            view.trouble = TROUBLE
            self._surfaces.tell(view.user)
        self._runs.settle(run, error, view.trouble)

    def _answered(self, view: View, answer: Json) -> None:
        """What the app's acknowledgement says is to become of the view; nothing: it closes."""
        match answer.get("response_action"):
            case None:
                self._surfaces.close(view)
            case "clear":
                self._surfaces.close(view, whole=True)
            case "errors":
                self._show_errors(view, answer.get("errors"))
            case "update":
                check_view(answer.get("view"), "modal")
                self._surfaces.replace(view, answer["view"])
            case "push":
                check_view(answer.get("view"), "modal")
                self._surfaces.push(view.user, answer["view"])
            case _:
                raise SlackError("invalid_response_action")

    def _show_errors(self, view: View, errors: Any) -> None:
        """Slack shows errors under input blocks only; anything else it takes for nonsense."""
        asked = {block["block_id"] for block in view.blocks if block.get("type") == "input"}
        if not isinstance(errors, dict) or not errors or not errors.keys() <= asked:
            raise SlackError("invalid_errors")
        view.errors = {str(block): str(words) for block, words in errors.items()}
        self._surfaces.tell(view.user)

    # -- closing

    def close(self, user: str, *, whole: bool = False) -> Run:
        """Presses the close button of the view on top; `whole` is the cross, which closes all of the modal."""
        top = self._view(user, None)
        whole = whole or bool(top.content.get("clear_on_close"))
        run = self._begin(top, "close")
        self._spawn(self._tell_closed(run, self._surfaces.close(top, whole=whole), whole))
        return run

    async def _tell_closed(self, run: Run, closed: list[View], cleared: bool) -> None:
        """Only who asked for `notify_on_close` is told, and whether that arrives makes no difference to the person."""
        for view in closed:
            if view.content.get("notify_on_close"):
                payload = self._payload("view_closed", view) | {"is_cleared": cleared}
                await self._sockets.deliver("interactive", payload)
        self._runs.settle(run)
