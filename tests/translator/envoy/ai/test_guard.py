"""The script that looks at prompts: what it rejects, masks, adds and refuses, against Python's own JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import re2
from hypothesis import example, given
from hypothesis import strategies as st

from tests.translator.envoy.ai.guard import CHAT, MEGABYTE, guarded
from translator.extensions.ai_guard import BUILTINS
from translator.languages.automata import compile_search, to_json

MESSAGES = "/v1/messages"
RESPONSES = "/v1/responses"
SECRET = "(?i)secret"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
BODIES = st.dictionaries(st.text(max_size=8), VALUES, max_size=5)


def pattern(expression: str, by: str = "") -> dict[str, Any]:
    """Return an expression as a guard has it, with what is put in place of what it matches."""
    search = compile_search(expression)
    return {"forward": to_json(search.forward), "backward": to_json(search.backward), "by": by}


def guard(*expressions: str, mask: bool = False, by: str = "<X>") -> dict[str, Any]:
    """Return a guard."""
    return {
        "patterns": [pattern(each, by) for each in expressions],
        "mask": mask,
        "status": 403,
        "message": 'not "here"',
    }


def program(*guards: dict[str, Any], **fields: Any) -> str:
    """Return what the script is to do."""
    return json.dumps({"limit": MEGABYTE, "guards": list(guards), **fields}, ensure_ascii=False)


def user(content: object, **fields: Any) -> dict[str, Any]:
    """Return a request with one message."""
    return {"model": "gpt", "messages": [{"role": "user", "content": content}], **fields}


REJECTING = program(guard(SECRET))

PLACES: list[tuple[str, object]] = [
    ("a message", user("my SeCret")),
    ("a part of a message", user([{"type": "text", "text": "a"}, {"type": "text", "text": "a secret"}])),
    ("the system", user("a", system="secret")),
    ("a part of the system", user("a", system=[{"type": "text", "text": "secret"}])),
    ("an input", {"input": "secret"}),
    ("an item of an input", {"input": [{"role": "user", "content": [{"type": "input_text", "text": "secret"}]}]}),
    ("instructions", {"input": "a", "instructions": "secret"}),
    ("a prompt", {"prompt": "secret"}),
    ("one of several prompts", {"prompt": ["a", "secret"]}),
    ("a result of a tool", user([{"type": "tool_result", "content": [{"type": "text", "text": "secret"}]}])),
    ("arguments of a tool", {"messages": [{"tool_calls": [{"function": {"arguments": '{"a":"secret"}'}}]}]}),
    ("arguments with escapes", {"messages": [{"function": {"arguments": '{"a":"s\\u0065cret"}'}}]}),
    ("arguments in arguments", {"messages": [{"function": {"arguments": '"{\\"a\\":\\"s\\\\u0065cret\\"}"'}}]}),
    ("what a tool is for", user("a", tools=[{"function": {"description": "secret"}}])),
    ("a field that nobody knows", user("a", other={"x": ["secret"]})),
    ("the name of a field", user("a", other={"My secret": 1})),
    ("a role that is none", {"messages": [{"role": "a secret", "content": "a"}]}),
    ("no object at all", ["secret"]),
]


@pytest.mark.parametrize("body", [each for _, each in PLACES], ids=[each for each, _ in PLACES])
def test_texts_are_looked_at_wherever_they_are(body: object) -> None:
    """A text that matches has a request rejected, wherever it is, also as escapes of JSON."""
    text = json.dumps(body)
    assert guarded(REJECTING, text.encode()).status == 403
    escaped = "".join(f"\\u{ord(each):04x}" for each in "secret")
    assert guarded(REJECTING, text.replace("secret", escaped).replace("SeCret", escaped).encode()).status == 403
    assert (
        guarded(
            REJECTING, text.replace("ecret", "ecrat").replace("eCret", "ecrat").replace("0065cret", "0065crat").encode()
        ).status
        == 0
    )


def test_errors_have_the_shape_of_the_api() -> None:
    """Who is rejected gets an error as the client's API has it, and logs are told of it."""
    found = guarded(REJECTING, user("secret"))
    assert (found.status, found.told) == (403, "prompt_rejected")
    assert found.answer == {
        "error": {
            "message": 'not "here"',
            "type": "invalid_request_error",
            "param": None,
            "code": "prompt_rejected",
        }
    }
    answer = guarded(REJECTING, user("secret"), f"{MESSAGES}?beta=true").answer
    assert answer == {"type": "error", "error": {"type": "permission_error", "message": 'not "here"'}}


@given(BODIES)
def test_what_does_not_match_stays_as_it_was(body: dict[str, Any]) -> None:
    """A request in which nothing matches goes on byte for byte, whether it is to be rejected or masked."""
    text = json.dumps(body)
    if "secret" not in text.lower():
        assert guarded(REJECTING, text.encode())[:2] == (None, 0)
        found = guarded(program(guard(SECRET, mask=True)), text.encode())
        assert found.body is None or found.json == body


@given(BODIES, st.sampled_from(["a", "[0-9]+", "é", "(?i)b.", r"\bc"]))
def test_requests_are_rejected_where_re2_finds_something(body: dict[str, Any], expression: str) -> None:
    """A request is rejected if the expression matches one of its texts, and only then."""
    texts: list[str] = []

    def collect(value: object) -> None:
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, list):
            for each in value:
                collect(each)
        elif isinstance(value, Mapping):
            for name, each in value.items():
                texts.append(name if re2.search("[^a-z_]", name.encode("utf-8", "replace")) else "")
                collect(each)

    collect(body)
    expected = any(re2.search(expression, each.encode("utf-8", "replace")) for each in texts)
    raw = json.dumps(body, default=str)
    numbers = any(each.isdigit() for each in json.dumps(strip(body)))
    found = guarded(program(guard(expression)), raw.encode())
    if expected or not (numbers or any("\\" in each for each in texts)):
        assert (found.status == 403) == expected


def strip(value: Any) -> Any:
    """Return a value without its texts: what numbers it has."""
    if isinstance(value, str):
        return ""
    if isinstance(value, list):
        return [strip(each) for each in value]
    return [strip(each) for each in value.values()] if isinstance(value, dict) else value


@given(st.text(alphabet='abc 12-é"\n', max_size=60))
@example("a1-1 a12 1")
def test_what_is_masked_is_what_re2_replaces(text: str) -> None:
    """A masked text is what replacing all matches of RE2 makes of it."""
    for expression in (r"[0-9]+(?:-[0-9]+)?", r"\ba", "é+", "a|ab|abc", r"c$"):
        found = guarded(program(guard(expression, mask=True)), user(text))
        expected = re2.sub(expression, "<X>", text)
        assert (found.json if found.body else user(text)) == user(expected)


def test_several_guards_and_expressions() -> None:
    """Each guard looks at what the one before has left: what is masked is not rejected."""
    masks = guard("4[0-9]{3}", "a@b", mask=True)
    found = guarded(program(masks, guard("4[0-9]{3}|x")), user("4111 a@b", n=7))
    assert found.json == user("<X> <X>", n=7)
    assert guarded(program(masks, guard("x")), user("4111 x")).status == 403
    assert guarded(program(guard("4[0-9]{3}"), masks), user("4111")).status == 403


def test_names_of_calls_are_not_masked() -> None:
    """Ids, roles and models stay, of which both sides have to say the same; what cannot be masked is rejected."""
    masks = program(guard("[0-9]{4}", mask=True))
    body = {"model": "m-1234", "messages": [{"role": "tool", "tool_call_id": "call_1234", "content": "1234"}]}
    assert guarded(masks, body).json["messages"][0] == {"role": "tool", "tool_call_id": "call_1234", "content": "<X>"}
    assert guarded(masks, {"1234": "a"}).status == 403
    assert guarded(masks, {"a": 1234}).status == 403


def test_what_only_json_says_is_rejected_where_it_cannot_be_masked() -> None:
    """A text that matches only without the escapes of JSON in it is rejected by guards that mask."""
    masks = program(guard("a b", mask=True))
    assert guarded(masks, user('{"x": "a b"}')).json == user('{"x": "<X>"}')
    assert guarded(masks, user('{"x": "a\\u0020b"}')).status == 403
    assert guarded(masks, user("C:\\new\\ubuntu a  b")).status == 0


def test_bytes_of_files_are_no_texts() -> None:
    """Base64 where files are is not looked at; what is none is, and base64 where texts are."""
    image = "secret" + "A" * 100
    url = f"data:image/png;base64,{image}"
    for part in (
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "image", "source": {"type": "base64", "data": image}},
        {"type": "input_image", "image_url": url},
    ):
        assert guarded(REJECTING, user([part])).status == 0
    for part in (
        {"type": "image_url", "image_url": {"url": f"{url} and text"}},
        {"type": "image_url", "image_url": {"url": f"https://secret.example.com/{'a' * 100}"}},
        {"type": "image", "source": {"data": "secret"}},
        {"type": "text", "text": image},
    ):
        assert guarded(REJECTING, user([part])).status == 403


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b'{"a": 1} x', {}, 400),
        (b"\xef\xbb\xbf{}", {}, 400),
        (b'{"a": "\xff"}', {}, 400),
        (b'{"messages": ["a"], "messages": ["b"]}', {}, 400),
        (b'{"a": {"b": 1, "\\u0062": 2}}', {}, 400),
        (b"--x\r\nContent-Disposition: form-data\r\n", {"content-type": "multipart/form-data; boundary=x"}, 400),
        (b"{'a': 1}", {}, 400),
        (b"{}", {"content-encoding": "gzip"}, 415),
        (b"{}", {"content-encoding": "identity"}, 0),
        (b"{}", {"upgrade": "websocket"}, 400),
        (b"{}", {"content-type": "application/grpc"}, 400),
        (b"[" * 100 + b"]" * 100, {}, 413),
        (b"[" + b"0," * 1_100_000 + b"0]", {}, 413),
        (b'"' + b"a" * MEGABYTE + b'"', {}, 413),
        (b"", {}, 0),
    ],
)
def test_what_cannot_be_looked_at_is_refused(body: bytes, headers: dict[str, str], status: int) -> None:
    """What is no JSON, is so in two ways, is compressed, has no end or is too long does not pass a guard."""
    assert guarded(REJECTING, body, headers=headers).status == status


def test_long_requests_are_not_held() -> None:
    """A request that says it is too long is refused by what it says, whether or not it tells its length."""
    for headers, body in (
        ({"content-length": str(MEGABYTE + 1)}, b"{}"),
        ({"content-length": ""}, b" " * MEGABYTE + b"1"),
    ):
        found = guarded(REJECTING, body, headers=headers)
        assert (found.status, found.told) == (413, "request_too_large")


def test_what_is_too_costly_to_search_is_refused() -> None:
    """A text that would have to be searched again and again is refused: the time that a request takes is bounded."""
    found = guarded(program(guard("a[^z]*z|a", mask=True)), user("a" * 20_000))
    assert (found.status, found.told) == (400, "too_costly")


@pytest.mark.parametrize("expression", ["(?:a+)+b", "(?:a|aa)+$", "[a-z]+@[a-z]+", ".*.*=.*", "(?:x?){20}x{20}"])
def test_floods_take_one_pass(expression: str) -> None:
    """Texts that have searches by trial and error run for hours are done in one pass: this test ends."""
    for text in ("a" * 900_000, "a@" * 400_000, "x" * 900_000):
        assert guarded(program(guard(expression)), user(text)).status in (0, 403)


BRIEF = {"role": "system", "content": "Be brief."}
THANKS = {"role": "user", "content": "Thanks."}
HELLO = {"role": "user", "content": "Hello"}


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (CHAT, {"messages": [HELLO]}, {"messages": [BRIEF, HELLO, THANKS]}),
        (MESSAGES, {"messages": [HELLO]}, {"messages": [HELLO, THANKS], "system": "Be brief."}),
        (
            MESSAGES,
            {"messages": [HELLO], "system": "You are kind."},
            {"messages": [HELLO, THANKS], "system": "Be brief.\n\nYou are kind."},
        ),
        (
            f"{MESSAGES}/count_tokens",
            {"messages": [HELLO], "system": [{"type": "text", "text": "Own."}]},
            {
                "messages": [HELLO, THANKS],
                "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Own."}],
            },
        ),
        (RESPONSES, {"input": "Hello"}, {"input": [HELLO, THANKS], "instructions": "Be brief."}),
        (
            RESPONSES,
            {"input": [HELLO], "instructions": "Own."},
            {"input": [HELLO, THANKS], "instructions": "Be brief.\n\nOwn."},
        ),
        ("/v1/embeddings", {"input": "Hello"}, {"input": "Hello"}),
    ],
)
def test_messages_are_added(path: str, body: dict[str, Any], expected: dict[str, Any]) -> None:
    """Messages come before and behind those of a chat; what the system says comes where the API has it."""
    found = guarded(program(prepend=[BRIEF], append=[THANKS]), body, path)
    assert (found.json if found.body else body) == expected
    if found.body:
        assert found.length == str(len(found.body))


@pytest.mark.parametrize("body", [{}, {"messages": "a"}, {"messages": {"a": 1}}, ["a"], {"messages": None}])
def test_chats_without_messages_are_refused(body: object) -> None:
    """A chat to which nothing can be added is refused."""
    assert guarded(program(prepend=[BRIEF]), body).status == 400


@given(BODIES, BODIES, BODIES)
def test_fields(body: dict[str, Any], defaults: dict[str, Any], overrides: dict[str, Any]) -> None:
    """A request gets fields that it lacks, and those that it must have, and keeps all others."""
    fields = {name: each for name, each in (("defaults", defaults), ("overrides", overrides)) if each}
    found = guarded(program(**fields), body)
    assert (found.json if found.body else body) == {**defaults, **body, **overrides}


@pytest.mark.parametrize("path", ["/v1/embeddings", f"{MESSAGES}/count_tokens", "/v1/moderations"])
def test_fields_are_those_of_chats(path: str) -> None:
    """What has no parameters of chats gets none: providers would refuse it."""
    fields = program(defaults={"temperature": 1}, overrides={"store": False})
    assert guarded(fields, {"input": "Hello"}, path).body is None
    assert guarded(fields, {"prompt": "Hello"}, "/v1/completions").json["store"] is False


BUILTIN_TEXTS = {
    "Email": (["a.b+c@mail.example.co.uk", "x@y.io"], ["a@b", "@example.com", "a at b.com"]),
    "Phone": (
        ["+49 30 1234567", "(030) 123-4567", "030-123-4567", "+1 (555) 123-4567", "555.123.4567"],
        ["1234567", "2024-01-15", "12:34"],
    ),
    "SSN": (["123-45-6789", "123 45 6789"], ["000-45-6789", "666-45-6789", "1234-45-6789", "123-00-6789"]),
    "CreditCard": (
        ["4111 1111 1111 1111", "4111-1111-1111-1111", "378282246310005", "5555555555554444"],
        ["1234 5678 9012 3456", "411111111111111", "411111111111111111111"],
    ),
}


@pytest.mark.parametrize("name", BUILTINS)
def test_builtins(name: str) -> None:
    """What is built in finds what it is for within a text, and leaves what only looks like it."""
    (by, expression), (found, other) = BUILTINS[name], BUILTIN_TEXTS[name]
    masks = program(guard(expression, mask=True, by=by))
    for each in found:
        assert guarded(masks, user(f"It is {each}, yes")).json == user(f"It is {by}, yes")
    for each in other:
        assert guarded(masks, user(f"It is {each}, yes")).body is None
