from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from bot.render import Rendered, ago, cut, environment, layout, render, span
from fleet.message import Button, Message, Style
from tests.bot.samples import SAMPLES
from tests.bot.samples.said import HOSTILE

TEMPLATES = Path(__file__).parents[2] / "bot" / "templates"
RENDERED = Path(__file__).parent / "rendered"
NOW = datetime(2026, 3, 19, 14, 30, tzinfo=UTC)
DATE = "<!date^1773930600^{date_short_pretty} {time}|2026-03-19 14:30 UTC>"


def filled(source: str, *buttons: Button, late: timedelta | None = None, **data: Any) -> Rendered:
    """A template written in the test, rendered as those in files are."""
    return layout(environment().from_string(source).render(data), buttons, late)


def texts(rendered: Rendered) -> Iterator[tuple[str, str]]:
    """Each text in the blocks with what it is."""
    for block in rendered.blocks:
        if "text" in block:
            yield block["type"], block["text"]["text"]
        for field in block.get("fields", []):
            yield "field", field["text"]
        for element in block.get("elements", []):
            yield block["type"], element["text"] if isinstance(element["text"], str) else element["text"]["text"]


def as_text(rendered: Rendered) -> str:
    """For people to read, and to compare."""
    lines = [rendered.text, ""]
    for block in rendered.blocks:
        kind = block["type"]
        lines.append(f"[{kind}]")
        for one in block.get("elements", []) if kind == "actions" else []:
            confirm = f" ({one['confirm']['text']['text']})" if "confirm" in one else ""
            lines.append(
                f"({one['text']['text']}) {one.get('style', 'plain')} {one['action_id']}: {one['value']}{confirm}"
            )
        if kind != "actions":
            lines += [text for _, text in texts(Rendered("", [block]))]
    return "\n".join(lines) + "\n"


def check_limits(rendered: Rendered) -> None:
    """Slack's limits, written down a second time."""
    limits = {"section": 3000, "header": 150, "field": 2000, "context": 3000, "actions": 75}
    assert 1 <= len(rendered.text) <= 300
    assert 1 <= len(rendered.blocks) <= 50
    for kind, text in texts(rendered):
        assert 1 <= len(text) <= limits[kind]
        assert text.count("```") % 2 == 0
    for block in rendered.blocks:
        assert len(block.get("fields", [1])) <= 10
        assert 1 <= len(block.get("elements", [1])) <= 25
    ids = [
        element["action_id"] for block in rendered.blocks if block["type"] == "actions" for element in block["elements"]
    ]
    assert len(set(ids)) == len(ids)


def names() -> list[str]:
    return sorted(path.relative_to(TEMPLATES).with_suffix("").as_posix() for path in TEMPLATES.rglob("*.j2"))


@pytest.mark.parametrize("template", names())
def test_every_template_has_a_sample(template: str) -> None:
    assert template in SAMPLES, f"add {template} to tests/bot/samples/"
    assert SAMPLES[template].template == template


@pytest.mark.parametrize("name", SAMPLES)
def test_a_template_renders_as_committed(name: str) -> None:
    rendered = render(SAMPLES[name])
    path = RENDERED / f"{name.replace('/', '.')}.txt"
    if os.environ.get("MUSTER_WRITE_RENDERED"):
        path.write_text(as_text(rendered), encoding="utf-8")
    assert path.exists(), "write it with MUSTER_WRITE_RENDERED=1 pytest tests/bot/test_render.py, and read it"
    assert as_text(rendered) == path.read_text(encoding="utf-8")
    check_limits(rendered)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_message_that_waited_in_the_outbox_renders_the_same(name: str) -> None:
    message = SAMPLES[name]
    assert render(Message.model_validate_json(message.model_dump_json())) == render(message)


def test_no_rendered_text_is_left_over() -> None:
    assert sorted(path.stem for path in RENDERED.glob("*.txt")) == sorted(name.replace("/", ".") for name in SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_that_a_value_holds_calls_anyone(name: str) -> None:
    for _, text in texts(render(SAMPLES[name])):
        assert "<!channel>" not in text
        assert "<@U1>" not in text


def test_the_first_line_notifies_and_the_rest_are_blocks() -> None:
    rendered = filled(
        "*Two* of `x`, <https://a.example|see> {{ at | when }}\n# Head *line*\nOne\ntwo\n\nthree\n| A: 1\n| B b: 2: 3\n"
        "---\n  ~ small\n  ~ print",
        at=NOW,
    )
    assert rendered.text == "Two of x, see 2026-03-19 14:30 UTC"
    assert [block["type"] for block in rendered.blocks] == ["header", *["section"] * 3, "divider", "context"]
    assert [text for _, text in texts(rendered)] == [
        "Head line", "One\ntwo", "three", "*A*\n1", "*B b*\n2: 3", "small\nprint",
    ]  # fmt: skip
    assert "verbatim" not in rendered.blocks[0]["text"]
    assert rendered.blocks[1]["text"]["verbatim"] is True


def test_a_template_of_one_line_is_its_own_body() -> None:
    rendered = filled("*Done* with {{ id | code }}", id="dev-1")
    assert (rendered.text, list(texts(rendered))) == ("Done with dev-1", [("section", "*Done* with `dev-1`")])


def test_a_value_is_one_harmless_line() -> None:
    rendered = filled("x\n{{ value }}", value=HOSTILE)
    [(kind, text)] = texts(rendered)
    assert kind == "section"
    assert text == "boom 'rm' ''' # no --- | x: y &lt;!channel&gt; &lt;@U1&gt; &amp; *b* red @here"


@pytest.mark.parametrize("marker", ["# x", "---", "| a: b", "~ x", "```"])
def test_a_value_at_the_start_of_a_line_is_no_marker(marker: str) -> None:
    assert [block["type"] for block in filled("x\n{{ value }}", value=marker).blocks] == ["section"]
    assert [block["type"] for block in filled("x\n{{ value }}", value=f"\ue001\ue002{marker}").blocks] == ["section"]


@pytest.mark.parametrize(
    ("source", "value", "text"),
    [
        ("{{ v }}", None, "–"),
        ("{{ v }}", True, "yes"),
        ("{{ v }}", 1200, "1200"),
        ("{{ v }}", ["<!here>"], "['&lt;!here&gt;']"),
        ("{{ v }}", {"a": "<b>"}, "{'a': '&lt;b&gt;'}"),
        ("{{ v }}", NOW, DATE),
        ("{{ v }}", timedelta(minutes=7), "7 min"),
        ("{{ v | upper }}", "<a>", "&lt;A&gt;"),
        ("{{ v | when }}", "2026-03-19T16:30:00+02:00", DATE),
        ("{{ v | when }}", None, "never"),
        ("{{ v | code }}", "a`b\nc *d* <e>", "`a'b c *d* &lt;e&gt;`"),
        ("{{ v | code }}", "", "–"),
        ("{{ v | code(5) }}", "abcdefgh", "`abcd…`"),
        ("{{ v | fenced }}", "a\n\n```b\x1b[0m\tc\r\nd<", "```\na\n\n'''b    c\nd&lt;\n```"),
        ("{{ v | fenced }}", "", "```\n–\n```"),
        ("{{ v | hours }}", 5.24, "5.2 h"),
        ("{{ v | hours }}", None, "never"),
        ("{{ v | plural('device') }}", 1, "1 device"),
        ("{{ v | plural('query', 'queries') }}", 1200, "1,200 queries"),
        ("{{ v | mention }}", "U0ANN", "<@U0ANN>"),
        ("{{ v | mention }}", "S0OPS", "<!subteam^S0OPS>"),
        ("{{ v | mention }}", "C0OPS", "<#C0OPS>"),
        ("{{ v | mention }}", "<!here>", "<!here>"),
        ("{{ v | mention }}", "muster <!here>", "muster &lt;!here&gt;"),
        ("{{ v | link('a|b <c>') }}", "https://a.example/?x=1&y=2", "<https://a.example/?x=1&amp;y=2|a/b &lt;c&gt;>"),
        ("{{ v | map('code') | join(', ') }}", ["a", "b`"], "`a`, `b'`"),
        ("{{ v | join(' & ') }}", ["<a>", 2], "&lt;a&gt; &amp; 2"),
    ],
)  # fmt: skip
def test_values_and_filters(source: str, value: Any, text: str) -> None:
    assert [shown for _, shown in texts(filled(f"x\n{source}", v=value))] == [text]


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (timedelta(), "just now"),
        (timedelta(seconds=40), "40 s ago"),
        (timedelta(minutes=3, seconds=20), "3 min ago"),
        (timedelta(minutes=90), "1.5 h ago"),
        (timedelta(hours=26), "26 h ago"),
        (timedelta(days=3), "3 d ago"),
        (-timedelta(minutes=5), "in 5 min"),
    ],
)
def test_how_long_ago(passed: timedelta, text: str) -> None:
    assert ago(NOW - passed, NOW) == ago((NOW - passed).isoformat(), NOW.isoformat()) == text


def test_short_spans_are_in_milliseconds() -> None:
    assert (span(0.25), span(0), span(timedelta(seconds=61))) == ("250 ms", "0 s", "1 min")


@pytest.mark.parametrize(
    "source",
    ["{{ missing }}", "{{ 'soon' | when }}", "{{ 'ftp://x' | link('x') }}", "{{ [[1]] | table(['a', 'b']) }}"],
)
def test_a_template_that_cannot_be_filled_raises(source: str) -> None:
    with pytest.raises((UndefinedError, ValueError)):
        filled(f"x\n{source}")


def test_a_template_without_notification_raises() -> None:
    with pytest.raises(ValueError, match="first line"):
        filled("{{ nothing }}\nbody", nothing="")


def test_a_table_is_aligned_cut_and_harmless() -> None:
    rows: list[list[Any]] = [
        ["dev-1", 5, NOW - timedelta(minutes=3)],
        ["dev-2`<!here>", 1200, (NOW - timedelta(hours=30)).isoformat()],
        ["日本", None, None],
        ["x" * 50, 0, None],
    ]
    [(_, text)] = texts(filled("x\n{{ rows | table(['Device', 'n', 'Seen'], now=now) }}", rows=rows, now=NOW))
    assert text.splitlines() == [
        "```",
        f"Device{' ' * 34}      n  Seen",
        f"dev-1{' ' * 35}      5  3 min ago",
        f"dev-2'&lt;!here&gt;{' ' * 27}  1,200  30 h ago",
        f"日本{' ' * 36}      –  –",
        f"{'x' * 39}…      0  –",
        "```",
    ]


def test_the_last_cell_of_a_row_keeps_what_others_are_cut_to_and_whole_words() -> None:
    words = "its certificate is unknown " * 6
    [(_, text)] = texts(filled("x\n{{ rows | table(['What', 'Why']) }}", rows=[[words, words]]))
    what, why = text.splitlines()[2].split("…  ")
    assert what == words[:39]
    assert why == f"{'its certificate is unknown ' * 4}its …"


def test_a_table_of_objects_in_utc_says_how_many_rows_do_not_fit() -> None:
    rows = [{"id": f"dev-{n}", "at": NOW.isoformat(), "other": 1} for n in range(500)]
    rendered = filled("x\n{{ rows | table({'Device': 'id', 'Seen (UTC)': 'at'}) }}", rows=rows)
    [(_, text)] = texts(rendered)
    lines = text.splitlines()
    assert lines[2] == "dev-0    2026-03-19 14:30"
    assert lines[-2] == f"… {500 - (len(lines) - 4)} more rows"
    check_limits(rendered)


def test_a_long_fence_is_closed_and_opened_again() -> None:
    log = "\n".join(f"line {n} <&>" for n in range(600))
    rendered = filled("x\n{{ log | fenced }}", log=log)
    check_limits(rendered)
    shown = [text for _, text in texts(rendered)]
    assert len(shown) > 3
    assert all(text.startswith("```\n") and text.endswith("\n```") for text in shown)
    assert "\n".join(text[4:-4] for text in shown) == log.replace("&", "&amp;").replace("<", "&lt;").replace(
        ">", "&gt;"
    )


def test_a_long_line_is_never_split_inside_a_link_or_an_entity() -> None:
    rendered = filled(
        "x\n{% for n in range(300) %}{{ url | link('here') }} & {{ '<' }} {% endfor %}", url="https://a.example"
    )
    check_limits(rendered)
    for _, text in texts(rendered):
        assert re.fullmatch(r"(?:<https://a\.example\|here>|&lt;|[& ])*", text)


def test_inline_code_is_closed_and_opened_again_where_a_line_is_split() -> None:
    rendered = filled("x\n{{ value | code(5000) }}", value="y" * 5000)
    shown = [text for _, text in texts(rendered)]
    assert all(text.startswith("`y") and text.endswith("y`") for text in shown)
    assert "".join(text.strip("`") for text in shown) == "y" * 5000


def test_too_many_blocks_are_cut_and_counted() -> None:
    rendered = filled(
        "x\n{% for n in range(80) %}\none\ntwo\n\n{% endfor %}",
        Button(text="Go", run="status"),
        late=timedelta(minutes=7),
    )
    check_limits(rendered)
    assert [block["type"] for block in rendered.blocks[-3:]] == ["context", "context", "actions"]
    assert [text for _, text in texts(rendered)][-3:-1] == ["… 66 more lines not shown", "delivered 7 min late"]


def test_many_fields_and_buttons_are_spread_over_blocks() -> None:
    buttons = [Button(text=f"b{n}", run=f"find {n}") for n in range(30)]
    rendered = filled("x\n{% for n in range(23) %}\n| L{{ n }}: {{ 'v' * 3000 }}\n{% endfor %}", *buttons)
    check_limits(rendered)
    assert [len(block.get("fields", [])) for block in rendered.blocks] == [10, 10, 3, 0, 0]
    assert [len(block["elements"]) for block in rendered.blocks[3:]] == [25, 5]


def test_a_button_runs_its_line_with_style_and_confirmation() -> None:
    button = Button(text="Wipe <it>", run="fleet wipe --how '<x>'", style=Style.DANGER, confirm="Really & truly?")
    [element] = filled("x", button).blocks[-1]["elements"]
    assert element == {
        "type": "button",
        "action_id": "run:0",
        "text": {"type": "plain_text", "text": "Wipe <it>", "emoji": True},
        "value": "fleet wipe --how '<x>'",
        "style": "danger",
        "confirm": {
            "title": {"type": "plain_text", "text": "Are you sure?"},
            "text": {"type": "plain_text", "text": "Really & truly?"},
            "confirm": {"type": "plain_text", "text": "Wipe <it>"},
            "deny": {"type": "plain_text", "text": "Cancel"},
        },
    }


def test_headers_are_plain_text_and_cut() -> None:
    rendered = filled("x\n# {{ name }} & *co*", name="<" + "n" * 200)
    [(_, text)] = texts(rendered)
    assert text.startswith("<nnn")
    assert 145 < len(text) <= 150


def test_a_notification_keeps_globs_and_mentions_and_is_cut() -> None:
    assert filled("{{ who | mention }}: dev-* and a_b_c in *bold* {{ '<x>' }}\nbody", who="U0ANN").text == (
        "<@U0ANN>: dev-* and a_b_c in bold &lt;x&gt;"
    )
    assert 295 < len(filled(f"{'word ' * 200}\nbody").text) <= 300


def test_the_root_command_is_known_to_every_template() -> None:
    message = SAMPLES["drift/list"]
    assert "/muster drift show" in str(render(message, root="/muster").blocks)


SOURCE = """{{ a }} and {{ a | code }}
# {{ a }}
{{ a }}
| A: {{ a }}
| B: {{ a | code }}
{{ a | fenced }}

{{ [[a, a]] | table(["x", "y"]) }}
{{ a | code(9000) }} {{ a }}
~ {{ a }}
"""


@given(
    st.text(min_size=1, max_size=300) | st.text(alphabet="`<>&|!@#*_~\n \\:-\ue001\u2028😀", min_size=1),
    st.integers(1, 60),
)
def test_any_text_from_a_device_stays_inside_the_limits_and_calls_nobody(text: str, times: int) -> None:
    rendered = filled(SOURCE, a=f"x{text * times}")
    check_limits(rendered)
    for kind, shown in texts(rendered):
        if kind != "header":
            assert "<" not in shown
            assert ">" not in shown
            assert not re.search(r"&(?!amp;|lt;|gt;)", shown)
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e\ue001]", shown)


@given(st.text(alphabet="ab`<>|& 😀", max_size=80), st.integers(4, 60))
def test_a_cut_text_is_short_enough(text: str, most: int) -> None:
    assert (
        len(cut(text.replace("<", "").replace(">", "").replace("&", "&amp;"), most).encode("utf-16-le")) // 2
        <= most + 5
    )
