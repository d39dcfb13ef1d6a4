"""The same tree gives the same result: examples of properties follow from the tests alone."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st


def test_examples_are_the_same_each_time() -> None:
    """A property is tried with the same examples in every run."""

    def examples() -> list[int]:
        tried: list[int] = []

        @settings(settings.get_profile("default"))
        @given(st.integers())
        def keep(example: int) -> None:
            tried.append(example)

        keep()
        return tried

    assert examples() == examples()
