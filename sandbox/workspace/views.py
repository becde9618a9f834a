"""views.*: an app opens, updates, pushes and publishes.

Source: Slack's reference of these methods.
"""

from __future__ import annotations

from sandbox.workspace import ids, shapes
from sandbox.workspace.errors import SlackError, invalid_arguments
from sandbox.workspace.methods import Api, Arguments, Json, method
from sandbox.workspace.surfaces import View
from sandbox.workspace.view_rules import check_view


def _answer(view: View) -> Json:
    return {"view": shapes.view(view)}


@method("views.open")
def open_view(api: Api, args: Arguments) -> Json:
    """A new modal before the person whose trigger it is."""
    content = args.parsed("view", "invalid_arguments")
    check_view(content, "modal")
    return _answer(api.state.surfaces.open(api.people.triggers.take(args.text("trigger_id")), content))


@method("views.push")
def push(api: Api, args: Arguments) -> Json:
    """A view on top of the modal that the trigger comes from."""
    content = args.parsed("view", "invalid_arguments")
    check_view(content, "modal")
    return _answer(api.state.surfaces.push(api.people.triggers.take(args.text("trigger_id")), content))


@method("views.update")
def update(api: Api, args: Arguments) -> Json:
    """By `view_id` or `external_id`; `hash` keeps an update from overwriting one that it does not know of."""
    view_id, external_id = args.text("view_id"), args.text("external_id")
    if bool(view_id) == bool(external_id):
        raise invalid_arguments(["must provide one of: view_id, external_id"])
    view = api.state.surfaces.find(view_id, external_id)
    content = args.parsed("view", "invalid_arguments")
    check_view(content, view.content["type"])
    api.state.surfaces.replace(view, content, args.text("hash"))
    return _answer(view)


@method("views.publish")
def publish(api: Api, args: Arguments) -> Json:
    """What a person sees on the app's Home tab."""
    user = api.state.users.get(args.text("user_id"))
    if user is None or user.id == ids.BOT_USER:
        raise SlackError("invalid_arguments", extra={"response_metadata": {"messages": ["invalid `user_id`"]}})
    content = args.parsed("view", "invalid_arguments")
    check_view(content, "home")
    return _answer(api.state.surfaces.publish(user.id, content, args.text("hash")))
