"""What is wrong with what an app sent, each with the place, and the checks that every kind of object shares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

ID = 255

PLAIN = ("plain_text",)
ANY = ("plain_text", "mrkdwn")


class Findings(list[str]):
    """What is wrong, each with a JSON pointer to the place."""

    def say(self, words: str, at: str) -> None:
        self.append(f"{words} [json-pointer:{at}]")

    def length(self, value: Any, at: str, limit: int, *, least: int = 1) -> None:
        if not isinstance(value, str):
            self.say("must be a string", at)
        elif len(value) < least:
            self.say(f"must be more than {least - 1} characters", at)
        elif len(value) > limit:
            self.say(f"must be less than {limit + 1} characters", at)

    def optional(self, holder: dict[str, Any], key: str, at: str, limit: int, *, least: int = 1) -> None:
        if holder.get(key) is not None:
            self.length(holder[key], f"{at}/{key}", limit, least=least)

    def keys(self, holder: dict[str, Any], allowed: Iterable[str], at: str) -> None:
        for key in holder.keys() - {"type", *allowed}:
            self.say(f"invalid additional property: {key}", at)

    def text(self, value: Any, at: str, limit: int, kinds: tuple[str, ...] = ANY) -> None:
        """A text object (composition object "text")."""
        if not isinstance(value, dict):
            self.say("missing required field: text" if value is None else "must be an object", at)
            return
        if value.get("type") not in kinds:
            self.say(f"must be one of: {', '.join(kinds)}", f"{at}/type")
        self.keys(value, ("text", "emoji" if value.get("type") == "plain_text" else "verbatim"), at)
        self.length(value.get("text"), f"{at}/text", limit)

    def items(self, value: Any, at: str, most: int, *, least: int = 1) -> list[dict[str, Any]]:
        if not isinstance(value, list):
            self.say("must be an array", at)
            return []
        if len(value) < least:
            self.say(f"no fewer than {least} items required", at)
        if len(value) > most:
            self.say(f"no more than {most} items allowed", at)
        for number, item in enumerate(value):
            if not isinstance(item, dict):
                self.say("must be an object", f"{at}/{number}")
        return [item for item in value if isinstance(item, dict)]
