"""What the program of templates computes in the proxy, and what it refuses to compute."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lupa.luajit21 import LuaRuntime

from tests.translator.transformation.lua import EMPTY, MEGABYTE, Rendered, render, render_body
from tests.translator.transformation.random_templates import values
from translator.envoy.transformation import whole_script


def text(template: str, data: Any = None, headers: Mapping[str, str] = EMPTY) -> str:
    """Return the text of a template that does not fail."""
    found = render(template, data, headers=headers)
    assert not found.failed, found.text
    return found.text


def failure(template: str, data: Any = None, limit: int = MEGABYTE) -> str:
    """Return why a template fails."""
    found = render(template, data, limit)
    assert found.failed, found.text
    return found.text


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ header('X-A') }} {{ request_header('x-a') }} {{ header('x-b') }}|", "one one |"),
        (
            "{{ header('x-b') == '' }} {{ header('x-b') is defined }} {{ header('x-b') | default('two') }}",
            "true false two",
        ),
        ("{{ path() }} {{ host() }} {{ method() }}", "/shop/cart example.com:80 PUT"),
        ("{{ query('q') }} {{ query('r') }} {{ query('s') }}|{{ query('none') is defined }}", "a b& c=d |false"),
        ("{{ get_cookie('one') }} {{ get_cookie('two') }} {{ get_cookie('three') is defined }}", "1 2=3 false"),
        ("{{ 'x-' ~ 'a' | upper }} {{ header('x-' ~ 'a') }}", "x-A one"),
    ],
)
def test_requests(template: str, expected: str) -> None:
    """Templates read headers, cookies and the query of a request; what is not there equals an empty text."""
    path, cookie = "/shop/cart?q=a+b%26&r=c%3Dd&s", "one=1; two=2=3"
    headers = {":path": path, ":authority": "example.com:80", ":method": "PUT", "x-a": "one", "cookie": cookie}
    assert text(template, headers=headers) == expected


def test_numbers_of_bodies() -> None:
    """A number that floating point does not hold is written as it was, unless it is calculated with."""
    body = b'{"id": 12345678901234567890, "price": 1.10, "large": 1e400, "zero": -0, "list": [1.0, 100000000000000001]}'
    for template, expected in (
        (
            "{{ id }} {{ price }} {{ large }} {{ zero }} {{ list }}",
            "12345678901234567890 1.10 1e400 0 [1.0,100000000000000001]",
        ),
        ("{{ price + 1 }} {{ price == 1.1 }} {{ id | int }}", "2.1 true 12345678901234567890"),
    ):
        assert render_body(template, body).text == expected
    assert "out of range" in render_body("{{ large + 1 }}", body).text
    assert "out of range" in render_body("{{ large | float + 0 }}", body).text


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a": 1, "b": 2, "a": 3}', '{"a":3,"b":2}'),
        (b'["\\ud83d\\ude00", "\\ud83d", "\\u0000", "\\u00e9"]', '["\U0001f600","\ufffd","\\u0000","é"]'),
        (b' {"a" : [ ] , "b" : { } } \r\n', '{"a":[],"b":{}}'),
        (b'"\x7f"', '"\x7f"'),
    ],
)
def test_json_of_bodies(body: bytes, expected: str) -> None:
    """The last of equal keys counts, in the place of the first, and half of a surrogate pair is U+FFFD."""
    assert render_body("{{ context() | tojson }}", body).text == expected


NO_JSON = [
    b"{", b"}", b"[1,]", b'{"a":1,}', b"{a:1}", b"01", b"1.", b".5", b"+1", b"1e", b"nan", b"NaN", b"Infinity", b"-",
    b'"a', b'"\n"', b'"\x00"', b'"\\x"', b'"\\u12"', b"tru", b"true false", b"'a'", b"[1 2]", b'{"a" 1}', b"\xff",
    b'"\xc0\x80"', b'"\xed\xa0\x80"', b"\xef\xbb\xbf1", b"1\x00", b"[1]]", b'{"a":1 "b":2}', b"/**/1",
]  # fmt: skip


@pytest.mark.parametrize("body", NO_JSON)
def test_what_is_no_json(body: bytes) -> None:
    """Bodies are JSON by RFC 8259 alone, in valid UTF-8."""
    assert render_body("{{ context() }}", body)[:2] == ("no JSON", True)


@given(values)
def test_all_json(value: Any) -> None:
    """What is written is the JSON that was read."""
    assert json.loads(text("{{ context() | tojson }}", [value])) == [value]


@given(st.text(st.sampled_from('{}[]",:0123.-+eE \n\\utrfalsn'), max_size=12))
def test_json_as_python_reads_it(body: str) -> None:
    """A text is JSON if Python takes it as such, but for names of numbers that JSON does not have."""

    def no_number(name: str) -> None:
        raise ValueError(name)

    try:
        json.loads(body, parse_constant=no_number)
    except ValueError:
        assert render_body("{{ context() }}", body.encode() or b" ")[:2] == ("no JSON", True)
    else:
        assert not render_body("{{ context() }}", body.encode()).failed


def nested(depth: int) -> bytes:
    """Return lists in each other."""
    return b"[" * depth + b"]" * depth


def test_limits_of_json() -> None:
    """JSON is 64 levels deep at most, and has 100,000 values."""
    assert render_body("{{ context() | length }}", nested(64)).text == "1"
    assert render_body("{{ context() | length }}", b"[" + b"1," * 99_998 + b"1]").text == "99999"
    for body in (nested(65), nested(100_000), b"[" + b"1," * 100_000 + b"1]", b'{"a":' * 100_000):
        assert render_body("{{ context() }}", body)[:2] == ("too much JSON", True)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{% for a in data %}{% for b in data %}{% endfor %}{% endfor %}", "10000 steps"),
        ("{% for a in data if false %}{% endfor %}{% for a in data * 1 %}{% endfor %}", "no number"),
        ("{{ replace(body(), 'x', body()) }}", "cost too much"),
        ("{% for a in data %}{{ length(body()) }}{% endfor %}", "cost too much"),
        ("{% for a in data %}{{ body() | upper == 'A' }}{% endfor %}", "cost too much"),
        ("{% set a = body() %}" + "{% set a = a ~ a %}" * 20, "cost too much"),
        ("{% set a = [1] %}" + "{% set a = [a, a] %}" * 40 + "{{ a == a | tojson }}", "cost too much"),
        ("{% set a = [1] %}" + "{% set a = [a, a] %}" * 40 + "{{ a }}", "cost too much"),
        ("{% set a = [1] %}" + "{% set a = [a] %}" * 70 + "{{ a }}", "nested too deep"),
        ("{% set a = [1] %}{% set b = [1] %}" + "{% set a = [a] %}{% set b = [b] %}" * 70 + "{{ a == b }}", "too deep"),
        ("{% for a in body() %}{% endfor %}", "10000 steps"),
        ("{{ split(body(), 'x') | length }}" * 9, "cost too much"),
        ("{% for a in data %}{{ 'abcdefghijklmnopqrstuvwxyz' * 1 }}{% endfor %}", "no number"),
        ("{% for a in data %}{{ a }}{{ body() | first }}{% endfor %}", "cost too much"),
    ],
)
def test_limits_of_templates(template: str, words: str) -> None:
    """What would take long, or much memory, ends: templates have no patterns, and no repetition but loops."""
    body = b'{"data": [' + b"1," * 199 + b'1], "fill": "' + b"x" * 500_000 + b'"}'
    found = render_body(template, body)
    assert found.failed, found.text[:100]
    assert words in found.text


def test_limit_of_output() -> None:
    """A template gives as many bytes as a body may have."""
    assert render("{% for a in data %}1234567890{% endfor %}", {"data": [0] * 10}, 100) == Rendered(
        "1234567890" * 10, False, 10, MEGABYTE - 10 * 16
    )
    assert "more than maxBytes" in failure("{% for a in data %}1234567890{% endfor %}1", {"data": [0] * 10}, 100)


@pytest.mark.parametrize(
    "name", ["os", "io", "ffi", "string", "require", "S", "programs", "envoy_on_request", "_G", "jit"]
)
def test_nothing_of_lua(name: str) -> None:
    """A template has no way to what the program itself has: names are those of the body."""
    if not name.startswith("_"):
        assert text(f"{{{{ {name} }}}}{{{{ {name}.execute }}}}{{{{ {name}['popen'] }}}}", {}) == ""
    assert text(f"{{{{ context()['{name}'] }}}}{{{{ '' | default('{name}') }}}}", {}) == ""


def test_names_of_lua_in_bodies() -> None:
    """Names that mean something in Lua are keys like others."""
    names = ["__index", "__metatable", "n", "k", "v", "raw", "null", "loop ", "end", "nil"]
    assert text("{{ context() | tojson }}", {name: [] for name in names}) == json.dumps(
        {name: [] for name in names}, separators=(",", ":")
    )
    assert text("{{ n }}{{ k }}{{ raw }}{{ null | default('-') }}", {"n": 1, "k": 2, "raw": {"n": 3}}) == '12{"n":3}-'
    assert text("{% for n in context() %}{{ loop.index }}{{ n }}{% endfor %}", {"__index": 1}) == "1__index"


@pytest.mark.parametrize("value", ["", "a", "ab", "abc", "é", "\U0001f600", "a\x00b", "?>?>"])
def test_base64(value: str) -> None:
    """Texts of any length and bytes come back from base64."""
    for kind in ("base64", "base64url"):
        assert text(f"{{{{ {kind}_decode({kind}_encode(a)) }}}}", {"a": value}) == value
        assert text(f"{{{{ {kind}_decode(replace({kind}_encode(a), '=', '')) }}}}", {"a": value}) == value


@pytest.mark.parametrize("value", ["a", "====", "a===", "ab=", "abc=d", "ab cd", "a-b_", "YQ=a", "/w==", "wyg="])
def test_no_base64(value: str) -> None:
    """What is no base64, or of bytes that are no text, is empty."""
    assert text("{{ base64_decode(a) }}", {"a": value}) == ""


def test_random_values() -> None:
    """All places of a text get one random value of 22 characters, another one each time."""
    template = "{{ replace_with_random('x-a x-a', 'a') }}"
    one, other = text(template), text(template)
    assert one != other
    assert len(one) == 2 * 24 + 1
    assert one[:24] == one[25:]


def test_pairs() -> None:
    """A loop with two names takes the pairs of a map."""
    assert text("{% for k, v in a %}{{ k }}={{ v }};{% endfor %}", {"a": {"b": 1, "c": [2]}}) == "b=1;c=[2];"
    assert "no pair" in failure("{% for k, v in a %}{% endfor %}", {"a": [1]})


def test_programs_are_kept_and_forgotten() -> None:
    """A program is made once, and after so many others anew: what is kept of them has a limit."""
    runtime = LuaRuntime(encoding=None)
    same = runtime.execute(
        f"{whole_script()}\nreturn function(one, other) return program_of(one) == program_of(other) end".encode()
    )
    texts = [json.dumps({"version": 1, "request": {"set": [["x-a", [f"{each}"]]]}}).encode() for each in range(2100)]
    assert same(texts[0], texts[0])
    assert not any(same(texts[0], each) for each in texts[1:2000])
    kept = runtime.execute(
        f"{whole_script()}\nreturn function(text) program_of(text) return number_of_programs end".encode()
    )
    assert max(kept(each) for each in texts) == 2048
    assert kept(texts[-1]) == 52


@pytest.mark.parametrize("program", [b"", b"{}", b"[]", b'{"version":2}', b"null"])
def test_programs_of_other_versions(program: bytes) -> None:
    """A program that the script does not know is refused, and its messages with it."""
    run = LuaRuntime(encoding=None).execute(
        f"{whole_script()}\nreturn function(text) return pcall(program_of, text) end".encode()
    )
    assert run(program)[0] is False
