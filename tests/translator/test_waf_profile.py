"""Profiles of web application firewalls, and their texts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translator.waf_profile import MOST_BYTES, Exclusion, Profile, ProfileError

EXCLUSIONS = st.builds(
    Exclusion,
    rules=st.lists(st.integers(1, 999_999_999), min_size=1, max_size=3).map(tuple),
    targets=st.lists(st.sampled_from(["ARGS", "ARGS:json.a", "REQUEST_COOKIES:session"]), max_size=2).map(tuple),
    paths=st.lists(st.sampled_from(["/", "/blog", "/a/b~c"]), max_size=2).map(tuple),
)
PROFILES = st.builds(
    Profile,
    mode=st.sampled_from(["Enforce", "DetectOnly"]),
    paranoia=st.integers(1, 4),
    threshold=st.integers(1, 10_000),
    exclusions=st.lists(EXCLUSIONS, max_size=3).map(tuple),
    directives=st.sampled_from(["", "SecRuleRemoveById 942100", "# ünïcode %REQ(x)%\n"]),
    body_bytes=st.integers(1, 1024 * 1024),
    overflow=st.sampled_from(["Pass", "Reject"]),
    response=st.booleans(),
)


@given(PROFILES)
def test_texts(profile: Profile) -> None:
    """A profile is read from its text, which is of ASCII, without line breaks and commands of Envoy's."""
    text = profile.to_text()
    assert Profile.parse(text) == profile
    assert text.isascii()
    assert text.isprintable()
    assert "%" not in text


def test_the_default_is_short() -> None:
    """What is not said is not written."""
    assert Profile().to_text() == "{}"
    assert Profile.parse("{}") == Profile()


@pytest.mark.parametrize(
    "fields",
    [
        {"mode": "Off"},
        {"paranoia": 0},
        {"paranoia": 5},
        {"threshold": True},
        {"threshold": 0},
        {"body_bytes": 0},
        {"body_bytes": 1024 * 1024 + 1},
        {"overflow": "Drop"},
        {"response": 1},
        {"directives": 1},
        {"directives": "SecRuleEngine Off"},
        {"exclusions": (Exclusion(),)},
        {"exclusions": (Exclusion((0,)),)},
        {"exclusions": (Exclusion(paths=("/",)),)},
        {"exclusions": (Exclusion(targets=("ENV:X",)),)},
        {"exclusions": (Exclusion(targets=('ARGS:a"',)),)},
        {"exclusions": (Exclusion(targets=("ARGS:a\n",)),)},
        {"exclusions": (Exclusion((1,), paths=("blog",)),)},
        {"exclusions": (Exclusion((1,), paths=('/"',)),)},
        {"exclusions": (Exclusion((1,), paths=("/a\n",)),)},
        {"exclusions": (Exclusion((1,)),) * 65},
        {"exclusions": (Exclusion((1,), ("ARGS:" + "a" * 160,)),)},
        {"exclusions": (Exclusion((1,), paths=("/" + "a" * 1024,)),)},
        {"exclusions": (Exclusion((1,), paths=("/",) * 33),)},
    ],
)
def test_values_that_it_cannot_have(fields: dict[str, Any]) -> None:
    """A value that means nothing, or something else than it seems to, is a problem."""
    assert Profile(**fields).problem()
    with pytest.raises(ProfileError):
        Profile.parse(Profile(**fields).to_text())


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "[" * 10_000, '{"a": 1}', '{"exclusions": 1}', '{"exclusions": [1]}', " " * (MOST_BYTES + 1)),
        *('{"exclusions": [{"rules": 1}]}', '{"exclusions": [{"targets": [1]}]}', '{"exclusions": [{"paths": [1]}]}'),
    ],
)
def test_texts_that_are_none(text: str) -> None:
    """What is no profile is refused."""
    with pytest.raises(ProfileError):
        Profile.parse(text)
