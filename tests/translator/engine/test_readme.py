"""The engine's README shows an example that does what its comments say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import translator.engine

README = Path(translator.engine.__file__).with_name("README.md")


def test_the_example_prints_what_its_comments_say(capsys: pytest.CaptureFixture[str]) -> None:
    """Each evaluation in the example reports the root, or does not, as the comment beside it says."""
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    exec(compile(example, str(README), "exec"), {"__name__": "example"})
    expected = re.findall(r'# prints "(.+)"', example)
    assert expected
    assert capsys.readouterr().out.splitlines() == expected
