"""What is written into a form, as the line that it runs."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from commands import grammar
from fleet.message import Form, TextField, quoted

FORM = Form(
    title="Snooze",
    run="drift snooze dev-1",
    fields=(TextField(name="for", label="For"), TextField(name="why", label="Why", flag=True, optional=True)),
)


def test_fields_become_words_and_flags_and_empty_ones_nothing() -> None:
    assert FORM.line({"for": "2h", "why": 'a "short" stop'}) == 'drift snooze dev-1 --why "a \\"short\\" stop" "2h"'
    assert FORM.line({"for": " 2h ", "why": "  "}) == 'drift snooze dev-1 "2h"'


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@example('a "b" \\ “c” „d‟ «e»')
@example("--force")
@example('<https://x"y|z> <@U1|a"b> `c` &lt;"&gt; —d')
@example('\\\u200b"')
@example('line\none "two"')
def test_whatever_is_written_stays_one_word_that_is_no_flag(text: str) -> None:
    words = grammar.tokens(grammar.clean(f"approve no ap-1 {quoted(text)}"))
    assert len(words) == 4
    assert words[3].raw.startswith('"')
    plain = "".join(text.split())
    if plain.isascii() and plain.isalnum():
        assert "".join(words[3].text.split()) == plain
