"""What a test sees: messages, and commands or clicks with their answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from sandbox.workspace import ids


class SeenMessage(BaseModel):
    """A message as it stood when it was read. `ephemeral_to` names the only person who sees it."""

    model_config = ConfigDict(frozen=True)

    channel: str
    ts: str
    user: str
    text: str
    blocks: list[dict[str, Any]] = []
    attachments: list[dict[str, Any]] = []
    files: list[dict[str, Any]] = []
    thread_ts: str | None = None
    metadata: dict[str, Any] | None = None
    edited: bool = False
    ephemeral_to: str | None = None
    reactions: dict[str, list[str]] = {}
    deleted: bool = False
    run: str | None = None
    change: int = 0

    @property
    def from_bot(self) -> bool:
        return self.user in (ids.BOT_USER, ids.SLACKBOT)

    @property
    def words(self) -> str:
        """Every word on the screen: the blocks' where there are blocks, else the text. Entities undone."""
        found = "\n".join(_texts(self.blocks)) if self.blocks else self.text
        return found.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")

    @property
    def buttons(self) -> list[str]:
        """The labels of the buttons, in order."""
        return _buttons(self.blocks)

    def says(self, words: str) -> bool:
        return words in self.words or words in self.text


class SeenView(BaseModel):
    """A modal or a Home tab as it stood when it was read. `errors` are by block_id, `trouble` is what the person is
    told after a submission that failed."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    type: str
    user: str
    blocks: list[dict[str, Any]]
    title: dict[str, Any] | None = None
    submit: dict[str, Any] | None = None
    close: dict[str, Any] | None = None
    callback_id: str = ""
    external_id: str = ""
    private_metadata: str = ""
    root_view_id: str = ""
    previous_view_id: str | None = None
    hash: str = ""
    state: dict[str, Any] = {}
    errors: dict[str, str] = {}
    trouble: str | None = None

    @property
    def values(self) -> dict[str, Any]:
        """What is filled in: one value, or a list, by action_id. Of an option its `value`."""
        return {
            action_id: _plain(value)
            for block in self.state.get("values", {}).values()
            for action_id, value in block.items()
        }

    @property
    def words(self) -> str:
        """Every word on it, its title and errors too."""
        found = [*_texts(self.title or {}), *_texts(self.blocks), *self.errors.values(), self.trouble or ""]
        return "\n".join(filter(None, found)).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")

    @property
    def buttons(self) -> list[str]:
        return _buttons(self.blocks)

    def says(self, words: str) -> bool:
        return words in self.words


class SeenRun(BaseModel):
    """A command or click. `error` is None when the app acknowledged it; `answers` are those by ack and response_url."""

    model_config = ConfigDict(frozen=True)

    id: str
    user: str
    channel: str
    said: str
    error: str | None = None
    notice: str | None = None
    settled: bool = False
    answers: list[SeenMessage] = Field(default_factory=list)

    @property
    def words(self) -> str:
        """Everything that was answered so far."""
        return "\n".join(answer.words for answer in self.answers)


def _plain(value: dict[str, Any]) -> Any:
    [found] = [inner for key, inner in value.items() if key != "type"]
    if isinstance(found, list):
        return [one["value"] if isinstance(one, dict) else one for one in found]
    return found["value"] if isinstance(found, dict) else found


def _buttons(blocks: list[dict[str, Any]]) -> list[str]:
    inside = [element for block in blocks for element in _elements(block)]
    return [element["text"]["text"] for element in inside if element.get("type") == "button"]


def _elements(block: dict[str, Any]) -> list[dict[str, Any]]:
    inside = [*block.get("elements", []), block.get("accessory")]
    return [element for element in inside if isinstance(element, dict)]


_READ = (
    *("title", "label", "text", "alt_text", "fields", "elements", "accessory", "element"),
    *("options", "placeholder", "hint"),
)


def _texts(value: Any) -> Iterator[str]:
    """Every `text` in the blocks, in reading order, labels of buttons and options too."""
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for key in _READ:
            inner = value.get(key)
            if isinstance(inner, str):
                yield inner
            elif inner is not None:
                yield from _texts(inner)
