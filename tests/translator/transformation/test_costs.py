"""What functions of templates cost: as many bytes as they look at, so that the budget of a message bounds its time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.translator.transformation.lua import MEGABYTE, Rendered, render, render_body

LIMIT = 8 * MEGABYTE
"""What a message with a body of 1 MiB may cost."""
TOO_MUCH = "cost too much"
LONG = {"s": "y" * 650_000, "t": "y" * 330_000 + "z"}
STEPS = [0] * 9_900


def rendered(template: str, data: Any) -> Rendered:
    """Return what a template gives for a long body."""
    return render_body(template, json.dumps(data).encode())


@pytest.mark.parametrize(
    "template", ["{{ t in s }}", "{{ replace(s, t, 'x') }}", "{{ split(s, t) | length }}", "{{ s < t }}" * 30]
)
def test_long_parts(template: str) -> None:
    """A search for a part that nearly is in each place, and comparisons of long texts, use up what a message has."""
    found = rendered(template, LONG)
    assert (found.failed, TOO_MUCH in found.text) == (True, True)


def test_comparisons_in_loops() -> None:
    """Comparisons are paid by the lengths of both texts."""
    found = rendered("{% for i in a %}{% if s < t %}{% endif %}{% endfor %}", {"a": STEPS, **LONG})
    assert (found.failed, found.steps) == (True, 9)


def test_long_parts_that_are_there() -> None:
    """A part of any length that is there is found at the cost of the two texts."""
    whole = "".join(map(str, range(80_000)))
    data = {"s": whole, "t": whole[200_000:300_000]}
    found = rendered("{{ t in s }} {{ replace(s, t, 'x') | length }}", data)
    assert found[:2] == (f"true {len(whole) - 99_999}", False)
    assert LIMIT - found.left < 5 * len(whole)


@given(st.text("ab", max_size=3), st.integers(60, 70), st.text("ab", max_size=150), st.text("ab", max_size=8))
def test_long_parts_as_python_finds_them(start: str, times: int, before: str, after: str) -> None:
    """Searches find what they find in Python, for parts that are longer than what is searched for at once."""
    part = start + "a" * times + "b"
    whole = before + "a" * times + part + after + part[:-1] + part
    data = {"s": whole, "t": part, "u": part + "a"}
    template = "{{ t in s }} {{ u in s }} {{ replace(s, t, '-') }} {{ split(s, t) | tojson }}"
    expected = [str(x in whole).lower() for x in (part, part + "a")]
    parts = json.dumps(whole.split(part), separators=(",", ":"))
    assert render(template, data).text == " ".join([*expected, whole.replace(part, "-"), parts])


@pytest.mark.parametrize("name", ["cookie", ":path"])
def test_pairs_are_read_once(name: str) -> None:
    """Cookies and parameters of the query are read once a message, however often templates ask for them."""
    headers = {"cookie": "a=b; " * 10_000 + "x=1", ":path": "/?" + "a=b&" * 10_000 + "x=1"}
    call = "get_cookie('x')" if name == "cookie" else "query('x')"
    once = render(f"{{{{ {call} }}}}", headers=headers)
    often = render(f"{{{{ {call} }}}}" * 400, headers=headers)
    assert (once.text, often.text, once.left) == ("1", "1" * 400, often.left)


def test_headers_in_loops() -> None:
    """Each reading of a header costs its length, and so does that of a path."""
    headers = {"x-a": "a" * 50_000, ":path": "/" + "a" * 50_000}
    for call in ("header('x-a')", "path()", "request_header('x-a')"):
        found = render(f"{{% for i in a %}}{{% if {call} %}}{{% endif %}}{{% endfor %}}", {"a": STEPS}, headers=headers)
        assert (found.failed, TOO_MUCH in found.text) == (True, True)
        assert found.steps < 200


def test_keys_in_loops() -> None:
    """Making the list of the keys of a map costs by their number."""
    found = rendered("{% for i in a %}{{ first(m) }}{% endfor %}", {"a": STEPS, "m": dict.fromkeys(map(str, STEPS), 1)})
    assert not found.failed
    found = rendered(
        "{% for i in a %}{{ first(m) }}{% endfor %}", {"a": STEPS, "m": {str(i): 1 for i in range(50_000)}}
    )
    assert (found.failed, found.steps) == (True, 21)


def test_patterns_that_are_tried_anew() -> None:
    """Base64, numbers and cookies are read in one pass, with what a pattern would look at again from each place."""
    assert rendered("{{ base64_decode(s) }}|", {"s": "=" * 700_000 + "a"}).text == "|"
    for value, number in (("1" * 200 + "x", "0"), ("-12.", "-12"), ("+1.5e1", "15"), ("1e", "0"), ("1.2.3", "0")):
        assert rendered("{{ s | int }}", {"s": value}).text == number
    found = rendered("{% for i in a %}" + "{{ s | int }}" * 9 + "{% endfor %}", {"a": STEPS, "s": "1" * 399 + "x"})
    assert (found.failed, TOO_MUCH in found.text) == (True, True)
    cookies = {"cookie": "a=" + " " * 50_000 + "b; c = d "}
    assert render("{{ get_cookie('a') }}|{{ get_cookie('c') }}", headers=cookies).text == "b|d"
