"""Lists of tools: what agents may not call is left out, and all else stays as it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.translator.envoy.ai.mcp_list import answered
from translator.envoy.ai.mcp_filters import pattern_of_lua, pattern_regex
from translator.languages.regex import fully_matches

ALL: dict[str, Any] = {"default": True}
NAMES = st.text("ab_/.-", min_size=1, max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def listed(*names: str, **more: Any) -> str:
    """Return a list of tools."""
    tools = [{"name": each, "inputSchema": {"type": "object", "name": "x"}} for each in names]
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools, **more}})


def names(text: str) -> list[str]:
    """Return the names in a list of tools."""
    return [each["name"] for each in json.loads(text)["result"]["tools"]]


def test_what_is_left_out() -> None:
    """Denied tools are left out, and those that are not allowed; what is denied is not allowed."""
    denied = {**ALL, "deny": [pattern_of_lua("delete_*"), pattern_of_lua("a.b")]}
    assert names(answered(listed("add", "delete_all", "a.b", "a_b"), denied)[0]) == ["add", "a_b"]
    allowed = {**denied, "allow": [pattern_of_lua("a*"), pattern_of_lua("delete_all")]}
    assert names(answered(listed("add", "delete_all", "a.b", "b"), allowed)[0]) == ["add"]
    assert names(answered(listed("add"), {**ALL, "allow": [pattern_of_lua("b")]})[0]) == []
    assert names(answered(listed(), denied)[0]) == []


def test_rules() -> None:
    """The first rule decides whose conditions hold: of claims, scopes and headers, for its tools."""
    rule = {"allows": True, "tools": [pattern_of_lua("a")], "claims": [], "scopes": [], "headers": []}
    claims = [{"path": ["realm", "role"], "listed": False, "values": ["x", "y"]}]
    groups = [{"path": ["groups"], "listed": True, "values": ["ops"]}]
    by_token = {**rule, "tools": [pattern_of_lua("b")], "key": "payload", "claims": claims + groups, "scopes": ["w"]}
    suspended = {**rule, "allows": False, "tools": None, "headers": [{"name": "x-s", "values": ["yes"]}]}
    context = {"default": False, "rules": [suspended, rule, by_token]}
    good = {"realm": {"role": "y"}, "groups": ["web", "ops"], "scope": "r w"}
    assert names(answered(listed("a", "b", "c"), context)[0]) == ["a"]
    assert names(answered(listed("a", "b", "c"), context, tokens={"payload": good})[0]) == ["a", "b"]
    for change in ({"realm": {"role": "z"}}, {"groups": "ops"}, {"groups": ["web"]}, {"scope": "rw"}, {"realm": "y"}):
        assert names(answered(listed("a", "b"), context, tokens={"payload": good | change})[0]) == ["a"]
    assert names(answered(listed("a", "b"), context, tokens={"other": good})[0]) == ["a"]
    assert names(answered(listed("a", "b"), context, tokens={"payload": good | {"scope": "", "scp": ["w"]}})[0]) == [
        "a",
        "b",
    ]
    assert names(answered(listed("a"), context, headers={"x-s": "no, yes"})[0]) == []
    assert names(answered(listed("a"), context, headers={"x-s": "yes no"})[0]) == ["a"]


@given(st.lists(NAMES, max_size=5), st.lists(NAMES, max_size=3), VALUES, st.sampled_from([None, 1]), st.booleans())
def test_what_stays(tools: list[str], denied: list[str], more: Any, indent: int | None, as_stream: bool) -> None:
    """A list without what is denied is the list that the server would have sent, as JSON and as a stream of events."""
    whole = {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {"more": more, "tools": [{"more": more, "name": each} for each in tools]},
    }
    text = json.dumps(whole, indent=indent, ensure_ascii=False)
    if as_stream:
        data = "".join(f"data: {line}\n" for line in text.replace("\r", "").split("\n"))
        text = f": hello\n\nid: 5\nevent: message\n{data}\n"
    kind = "text/event-stream" if as_stream else "application/json"
    found, status = answered(text, {**ALL, "deny": [pattern_of_lua(each) for each in denied]}, kind=kind)
    if as_stream:
        found = "\n".join(line[6:] for line in found.split("\n") if line.startswith("data: "))
    kept = [each for each in whole["result"]["tools"] if each["name"] not in denied]  # type: ignore[index]
    assert (json.loads(found), status) == (whole | {"result": {"more": more, "tools": kept}}, 200)


@pytest.mark.parametrize(
    ("body", "options"),
    [
        (listed("a")[:-1], {}),
        (listed("a") + "]", {}),
        (listed("a") + listed("b"), {}),
        ("[" + listed("a") + "]", {}),
        ('{"result": {"tools": {"name": "a"}}}', {}),
        ('{"resul\\u0074": {"tools": [{"name": "a"}]}}', {}),
        (listed("a"), {"encoding": "gzip"}),
        ("<html>", {}),
    ],
)
def test_what_cannot_be_read(body: str, options: dict[str, Any]) -> None:
    """A list that cannot be read is no list: the agent gets an error."""
    found, status = answered(body, ALL, **options)
    assert (json.loads(found)["error"]["code"], status) == (-32603, 502)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("before", ["", "\ufeff", ": note", "event: message", "Data: {}", "\ufeffevent: message"])
def test_streams_of_any_form(before: str, end: str) -> None:
    """Lists in streams are read however their lines end, and behind a byte order mark; unknown fields are left out."""
    written = f"{before}{end if before.strip(chr(0xFEFF)) else ''}data: {listed('a', 'b')}{end}{end}"
    denied = {**ALL, "deny": [pattern_of_lua("a")]}
    found, status = answered(written, denied, kind="text/event-stream")
    assert names(next(line[6:] for line in found.split("\n") if line.startswith("data: "))) == ["b"]
    assert ('"a"' in found, "Data" in found, status) == (False, False, 200)


def test_statuses_of_success() -> None:
    """A list comes with any status of success; what has none is left alone."""
    denied = {**ALL, "deny": [pattern_of_lua("a")]}
    assert names(answered(listed("a", "b"), denied, status="203")[0]) == ["b"]
    assert answered("", denied, status="202") == ("", 202)


def test_names_that_are_left_out() -> None:
    """A tool without a name, or with one that nobody may call, is in no list."""
    tools = '[{"name": "a b"}, {"title": "b"}, {"name": 5}, {"name": "\\u0061"}, {"name": "ok"}]'
    assert names(answered(f'{{"result": {{"tools": {tools}}}}}', ALL)[0]) == ["ok"]


def test_other_answers() -> None:
    """Other answers, and errors, stay as they are."""
    denied = {**ALL, "deny": [pattern_of_lua("a")]}
    assert answered(listed("a"), denied, method="resources/list") == (listed("a"), 200)
    assert answered("no", denied, status="404") == ("no", 404)
    error = '{"jsonrpc": "2.0", "id": 1, "error": {"code": 1}}'
    assert answered(error, denied) == (error, 200)


@given(st.text("ab*._/-", min_size=1, max_size=5), st.text("ab._/-", min_size=1, max_size=6))
def test_patterns(pattern: str, name: str) -> None:
    """A pattern means the same to lists and to what checks calls."""
    from lupa.luajit21 import LuaRuntime

    found = LuaRuntime().execute("return function(name, each) return string.find(name, each) ~= nil end")
    assert found(name, pattern_of_lua(pattern)) == fully_matches(pattern_regex(pattern), name)
