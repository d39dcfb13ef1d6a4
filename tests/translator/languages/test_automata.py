"""Automata find what RE2 finds, for all expressions that they take."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from translator.languages.automata import MAX_STEPS, Automaton, compile_search
from translator.languages.expressions import WORD, ExpressionError

ATOMS = st.sampled_from(
    [
        "a",
        "b",
        "c",
        ".",
        "[ab]",
        "[^a]",
        r"\d",
        r"\w",
        r"\S",
        "é",
        "[é-]",
        r"\b",
        r"\B",
        "^",
        "$",
        "-",
        "(?i)B",
    ]
)
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda found: f"(?:{'|'.join(found)})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{0,2}?", "{2,}"])).map(
            lambda found: f"(?:{found[0]}){found[1]}"
        ),
        inner.map(lambda found: f"(?m:{found})"),
    ),
    max_leaves=8,
)
TEXTS = st.text(alphabet="abcB1-_ \né", max_size=20)


def kind(byte: int | None) -> int:
    """Return which of the starts of an automaton is the one behind a byte."""
    if byte is None:
        return 0
    return 1 if byte == 10 else 2 if WORD >> byte & 1 else 3


def last_match(found: Automaton, before: int | None, text: bytes, after: int | None = None) -> int | None:
    """Return where the last match ends of those that a pass over a text tells; `after` comes behind the text."""
    columns, last = max(found.classes) + 2, None
    state = found.starts[kind(before)]
    end = columns - 1 if after is None else found.classes[after]
    for place, column in enumerate([*(found.classes[each] for each in text), end]):
        step = found.steps[(state - 1) * columns + column]
        if step % 2:
            last = place
        state = step // 2
        if not state:
            break
    return last


def matches(expression: str, text: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the matches of a text begin and end, as the script finds them."""
    search, place = compile_search(expression), 0
    while place <= len(text):
        before = text[place - 1] if place else None
        length = last_match(search.forward, before, text[place:])
        if length is None:
            return
        end = place + length
        # No match begins in the one before.
        back = last_match(search.backward, text[end] if end < len(text) else None, text[place:end][::-1], before)
        assert back is not None
        yield end - back, end
        place = end


@given(EXPRESSIONS, TEXTS)
def test_what_re2_finds_is_found(expression: str, text: str) -> None:
    """The matches of an expression in a text are those that RE2 finds."""
    try:
        compile_search(expression)
    except ExpressionError:
        return
    data = text.encode()
    assert list(matches(expression, data)) == [each.span() for each in re2.finditer(expression, data)]


@pytest.mark.parametrize(
    ("expression", "text", "found"),
    [
        (r"a(?:bc)?", "abx abc", ["a", "abc"]),
        (r"(?i)secret-[[:xdigit:]]{4}", "x SECRET-00fF", ["SECRET-00fF"]),
        (r"\bfoo\b", "foo afoo foo_ foo", ["foo", "foo"]),
        (r"(?m)^ab$", "ab\nab b\nab", ["ab", "ab"]),
        (r"x.z", "xéz x\nz", ["xéz"]),
        (r"[éü]+\x{e9}", "éüé", ["éüé"]),
        (r"(?P<a>a)|(?U)b+", "ab", ["a", "b"]),
        (r"\x41\t\.\-[\w.]", "A\t.-.", ["A\t.-."]),
    ],
)
def test_syntax(expression: str, text: str, found: list[str]) -> None:
    """The syntax of RE2 means what it means there."""
    data = text.encode()
    assert [data[start:end].decode() for start, end in matches(expression, data)] == found


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("(", "is not a regular expression of RE2"),
        (r"(a)\1", "is not a regular expression of RE2"),
        (r"(?=a)", "is not a regular expression of RE2"),
        ("", "is empty"),
        ("a*", "matches where there is nothing"),
        (r"\b|a", "matches where there is nothing"),
        (r"\pL", "write the characters"),
        ("[à-ü]", "goes beyond ASCII"),
        ("[^é]", "cannot leave out"),
        (r"[\D]", "write what it is to have"),
        ("(?i)é", "has two cases"),
        (r"\Qa\E", "write a backslash"),
        ("(?:a{30}){30}(?:b{30}){30}", "costs too much"),
        ("(?:a|b)*a(?:a|b){12}", "costs too much"),
        (f"{'(' * 101}a{')' * 101}", "nested"),
    ],
)
def test_what_is_not_done_is_refused(expression: str, reason: str) -> None:
    """What no automaton of a bounded size can do is refused, with what to do."""
    with pytest.raises(ExpressionError, match=reason):
        compile_search(expression)


def test_the_effort_is_bounded() -> None:
    """An expression whose table would grow without an end is refused, and its table is not made."""
    for expression in ("(?:.*a){20}", "(?:a?){100}a{100}b", r"(?:\w+\s+){50}x", "[a-q][^u-z]{13}x"):
        try:
            found = compile_search(expression)
        except ExpressionError as error:
            assert "costs too much" in str(error)  # noqa: PT017
        else:
            assert len(found.forward.steps) <= MAX_STEPS
