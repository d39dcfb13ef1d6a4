"""Scripts in Lua, which are compiled and not run."""

from __future__ import annotations

from pathlib import Path

import pytest
from lupa.luajit21 import LuaRuntime

from translator.languages.lua import check_script, guarded


@pytest.mark.parametrize(
    "script",
    [
        "function envoy_on_request(handle) end",
        "goto done\n::done::",
        "return 1",
        "-- nothing",
        "local first = ...",
        'local text = [[\nlines\n]] .. "\\065\\x41"',
        "while true do end",
        "error('not run')",
    ],
)
def test_what_compiles_is_taken(script: str) -> None:
    """A script that LuaJIT compiles is taken, whatever it would do."""
    assert check_script(script) is None


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ("x = = 1", "line 1: unexpected symbol near '='"),
        ("\n\nlocal function", "line 3: '<name>' expected near '<eof>'"),
        ("x = 'a\nb'", "line 1: unfinished string near ''a'"),
        ("local x = 5 --[[ open", "line 1: unfinished long comment near '<eof>'"),
        ("goto nowhere", "line 1: undefined label 'nowhere'"),
        ("local x <const> = 1", "line 1: unexpected symbol near '<'"),
    ],
)
def test_what_does_not_compile_is_told_with_its_line(script: str, fault: str) -> None:
    """A script that LuaJIT refuses is refused in its words, with the line that the user sees."""
    assert check_script(script) == fault


@pytest.mark.parametrize("script", ["\x1bLJ\x02", "x = 1\n\x1bLuaR", "x = '\0'"])
def test_compiled_code_is_refused(script: str) -> None:
    """Compiled code, which could do anything to the process, is refused before anything reads it."""
    assert "control character" in (check_script(script) or "")


@pytest.mark.parametrize("script", ["end) os.exit(1) pcall(function()", "end) --", "]] end)", "#!/bin/lua\nx = 1"])
def test_a_script_does_not_end_what_is_around_it(script: str) -> None:
    """A script stays inside of the statements around it, or is refused."""
    assert check_script(script) is not None


def test_nothing_runs(tmp_path: Path) -> None:
    """A script is not run when it is checked."""
    file = tmp_path / "made"
    assert check_script(f"io.open('{file}', 'w'):write('x')") is None
    assert not file.exists()


def handler(script: str, name: str = "envoy_on_request") -> tuple[object, list[str], object]:
    """Load a script as Envoy does, and return what is made of it: a handler, what it is told, a handle."""
    runtime, told = LuaRuntime(), list[str]()
    runtime.execute(guarded(script))
    handle = runtime.eval(
        "function(tell) return {logErr = function(_, text) tell('log: ' .. text) end,"
        " respond = function(_, headers, body) tell(headers[':status'] .. ' ' .. body) end} end"
    )(told.append)
    return runtime.globals()[name], told, handle


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("function envoy_on_request(handle)\n  error('why')\nend", "2: why"),
        ("function envoy_on_request(handle) error({}) end", "table"),
        ("\n\nerror('why')", "3: why"),
        ("local nothing = nil\nnothing.field = 1", "2: attempt to index local 'nothing'"),
    ],
)
def test_failures_are_answers(script: str, words: str) -> None:
    """A failure while a request is handled, or before any is, is logged with its line, and is the answer 500."""
    found, told, handle = handler(script)
    found(handle)  # type: ignore[operator]
    assert words in told[0]
    assert told[1:] == ["500 A script failed.\n"]


def test_without_functions_nothing_is_called() -> None:
    """A script without a function for requests, or for responses, has none called."""
    assert handler("local x = 1")[0] is None
    assert handler("function envoy_on_request(handle) end", "envoy_on_response")[0] is None


def test_the_longest_script_is_compiled() -> None:
    """A script of the greatest length compiles with what is around it."""
    lines = "local function f() return 'x' end\n" * 180
    script = f"{lines}--{'x' * (64 * 1024 - len(lines) - 2)}"
    assert check_script(script) is None
