"""Regular expressions of RE2, and substitutions of what they match."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translator.languages.regex import check_regex, check_substitution, fully_matches, other_words


@pytest.mark.parametrize("text", ["a", "^/(a|b)+$", "(?i)x", r"\C", "[^:]*"])
def test_valid_expressions(text: str) -> None:
    """What RE2 takes is taken."""
    assert check_regex(text) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "is empty: nothing matches it; write an expression"),
        ("(a", "'(a' is not a regular expression of RE2: missing ): (a"),
        ("(?=a)", "'(?=a)' is not a regular expression of RE2: invalid perl operator: (?="),
    ],
)
def test_invalid_expressions(text: str, fault: str) -> None:
    """What RE2 refuses is said in its words."""
    assert check_regex(text) == fault


def test_costly_expressions() -> None:
    """An expression that Envoy refuses because of its cost is refused here, with the cost."""
    assert (check_regex("[a-z]{1000}" * 40) or "").startswith(
        "the expression costs too much: its RE2 program has a size"
    )


@pytest.mark.parametrize(
    ("substitution", "fault"),
    [
        (r"/\1/\2\0", None),
        (r"a\\b", None),
        (r"\\\2", None),
        ("", None),
        (r"\3", r"\3 is no group of '(a)(b)', which has 2: correct the number"),
        (r"\x", r"'\\x' is no group: write \0 to \9, or two backslashes for one"),
        ("\\", r"'\\' is no group: write \0 to \9, or two backslashes for one"),
    ],
)
def test_substitutions(substitution: str, fault: str | None) -> None:
    """A substitution may name the groups that its expression has, and escape backslashes."""
    assert check_substitution("(a)(b)", substitution) == fault


def test_whole_texts() -> None:
    """An expression matches a text if it matches all of it."""
    assert fully_matches("a.*", "abc")
    assert not fully_matches("b", "abc")


LETTERS = st.text("ab-.", max_size=4)


@given(st.sets(LETTERS, min_size=1, max_size=4), st.sets(LETTERS.filter(bool), max_size=2), LETTERS)
def test_all_but_some_words(words: set[str], beginnings: set[str], text: str) -> None:
    """An expression for other words matches all texts but these words, and but those with certain beginnings."""
    found = fully_matches(other_words(words, beginnings), text)
    assert found == (text not in words and not text.startswith(tuple(beginnings)))
