"""The script of providers, in LuaJIT as in Envoy: what it makes of bodies and paths, against Python's own JSON."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lupa.luajit21 import LuaRuntime

from translator.envoy.ai import script

_RUN = """
return function(model, usage, operation, text, allowed)
  local provider = {model = model ~= "" and model or nil, usage = usage}
  local ok, made, wrong = pcall(body_for, provider, operation, text, allowed ~= "" and set_of(allowed) or nil)
  if not ok then return made == BAD and "bad" or "failed: " .. tostring(made) end
  if wrong then return "lost: " .. wrong end
  return "ok", made or text
end, function(path, read) return operation_of(path, set_of(read)) end"""


class Made(NamedTuple):
    """What the script says, and the body that goes on."""

    said: str
    body: str = ""


@cache
def _functions() -> tuple[Any, Any]:
    found = LuaRuntime(encoding=None).execute(f"{script('provider_json')}\n{script('provider')}\n{_RUN}".encode())
    return found[0], found[1]


def made(
    text: str | bytes, model: str = "", usage: bool = False, operation: str = "chat/completions", allowed: str = ""
) -> Made:
    """Return what becomes of a body."""
    body = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    found = _functions()[0](model.encode(), usage, operation.encode(), body, allowed.encode())
    return Made(*(each.decode("utf-8", "surrogatepass") for each in (found if isinstance(found, tuple) else (found,))))


def operation(path: str, read: str = "") -> tuple[str, str]:
    """Return the operation of a path, and what of the query is the API's without the parameters that are `read`."""
    name, query = _functions()[1](path.encode(), read.encode())
    return name.decode(), query.decode()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(["model", "Model", "stream", "stream_options", "messages", "a"]) | st.text()
OBJECTS = st.dictionaries(NAMES, VALUES | st.just(True), max_size=6)
INDENTS = st.sampled_from([None, 0, 2, "\t"])


@given(OBJECTS, st.text(min_size=1), INDENTS, st.booleans())
def test_the_model_is_replaced(found: dict[str, Any], model: str, indent: Any, ascii_only: bool) -> None:
    """Whatever a body has, only its model is another one, by whatever case its name is written in."""
    text = json.dumps(found, indent=indent, ensure_ascii=ascii_only)
    said, body = made(text, model)
    assert said == "ok"
    there = [name for name in found if name.isascii() and name.lower() == "model"] or ["model"]
    assert json.loads(body) == found | dict.fromkeys(there, model)


@given(OBJECTS, INDENTS)
def test_streams_are_counted(found: dict[str, Any], indent: Any) -> None:
    """A stream is asked for its numbers of tokens, and all else stays, the other options too."""
    found = {name: value for name, value in found.items() if name.lower() not in ("stream", "stream_options")} | {
        name: found[name] for name in ("stream", "stream_options") if name in found
    }
    said, body = made(json.dumps(found, indent=indent), usage=True)
    assert said == "ok"
    wanted = dict(found)
    if found.get("stream") is True:
        options = found.get("stream_options")
        kept = options if isinstance(options, dict) else {}
        kept = {name: value for name, value in kept.items() if name.lower() != "include_usage"}
        wanted["stream_options"] = kept | {"include_usage": True}
    assert json.loads(body) == wanted


@given(st.text() | st.binary())
def test_what_is_no_object(text: str | bytes) -> None:
    """What Python does not read as an object is refused, or has the one model that there is; nothing fails."""
    said, body = made(text, "large")
    assert said in ("bad", "ok")
    if said == "ok" and text:
        assert '"large"' in body


@pytest.mark.parametrize(
    "text",
    ["", " ", "[]", '"a"', "{", '{"a"}', '{"a":}', '{"a":1,}', "{,}", '{"a":[1}', '{"a":1}}', '{"a":1} {', "{'a':1}"],
)
def test_what_no_json_is(text: str) -> None:
    """A body that is no object of JSON is told."""
    assert made(text, "large").said == "bad"


@pytest.mark.parametrize(
    "text", ['{"model":"a","model":"b"}', '{"model":{"model":"a"}}', '{"mod\\u0065l":"a"}', '{"m\\u006Fdel":1}']
)
def test_every_way_to_name_a_model(text: str) -> None:
    """No name of a model stays: neither one of two, nor one that is written with escapes."""
    body = made(text, "large").body
    found = json.loads(body, object_pairs_hook=list)
    assert {value for _, value in found} == {"large"}


@pytest.mark.parametrize(
    ("messages", "lost"),
    [
        ([{"role": "user", "content": "a"}], ""),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}]}, {"role": "assistant", "content": "b"}], ""),
        ([], ""),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image"}]}], "image"),
        ([{"role": "user", "content": [{"text": "a", "cache_control": {}}]}], "cache_control"),
        ([{"role": "user", "content": None}], "content"),
        ([{"role": "tool", "content": "a"}], "messages of role tool"),
        ([{"role": "user", "content": "a", "name": "b"}], "name"),
    ],
)
def test_what_would_be_lost(messages: Any, lost: str) -> None:
    """What is no text in messages is told before a translation loses it."""
    found = made(json.dumps({"model": "a", "messages": messages}), allowed="model messages")
    assert found.said == (f"lost: {lost}" if lost else "ok")


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/v1/chat/completions", ("chat/completions", "")),
        ("/a/v1/responses/resp_1?stream=true", ("responses/resp_1", "?stream=true")),
        ("/ai/chat/completions", ("chat/completions", "")),
        ("/embeddings", ("embeddings", "")),
        ("/v1/v1/models", ("v1/models", "")),
        ("/v1/files?key=a&limit=2&API-key=b&%61ccess_token=c&after=d", ("files", "?limit=2&after=d")),
        ("/v1/messages?beta=true", ("messages", "?beta=true")),
        ("/other", ("other", "")),
    ],
)
def test_operations(path: str, wanted: tuple[str, str]) -> None:
    """What is asked for follows /v1/, or is what the path ends with; credentials are taken out of the query."""
    assert operation(path) == wanted


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("api-version=2024-10-21&x-api-key=s", "?api-version=2024-10-21"),
        ("x-goog-api-key=s&AKey=s&sig=s&teamkey=s&other=s", ""),
        ("a;key=s&limit=1;key=s&limit=2", "?limit=2"),
        ("%6cimit=3&Limit=4&order", "?%6cimit=3&order"),
        ("include[]=a&include%5B%5D=b&metadata[a]=c&metadata[a]key=s", "?include[]=a&include%5B%5D=b&metadata[a]=c"),
        ("page=s&%70age=s&limit=1", "?limit=1"),
    ],
)
def test_queries(query: str, wanted: str) -> None:
    """Providers get the parameters of their APIs, but for those that the route reads a credential from."""
    assert operation(f"/v1/files?{query}", "page") == ("files", wanted)
