"""Templates are read by Jinja's parser; what is not supported is refused with its line and a way out."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translator.languages.template_functions import FUNCTIONS, OTHER_NAMES
from translator.languages.templates import MAX_DEPTH, MAX_NODES, TemplateError, read_template


def fault(template: str) -> str:
    """Return what is wrong with a template."""
    with pytest.raises(TemplateError) as found:
        read_template(template)
    return str(found.value)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{% include 'a' %}", "line 1: 'include' is not supported"),
        ("a\nb {% import 'a' as b %}", "line 2: 'import' is not supported"),
        ("{% from 'a' import b %}", "'import' is not supported"),
        ("{% extends 'a' %}", "'extends' is not supported"),
        ("{% block a %}{% endblock %}", "'block' is not supported"),
        ("{% macro a() %}{% endmacro %}", "'macro' is not supported"),
        ("{% call a() %}{% endcall %}", "'call' is not supported"),
        ("{% filter upper %}a{% endfilter %}", "use the filter on each value"),
        ("{% set a %}b{% endset %}", "write {% set name = value %}"),
        ("{% set a, b = c %}", "write {% set name = value %}"),
        ("{% set a.b = c %}", "only a name can be set"),
        ("{% set loop = 1 %}", "'loop' cannot be set"),
        ("{% set _a = 1 %}", "'_a' cannot be set"),
        ("{% with a = 1 %}{% endwith %}", "'with' is not supported"),
        ("{% do a %}", "unknown tag 'do'"),
        ("{% for a in b recursive %}{% endfor %}", "write one loop in another"),
        ("{% for a, b, c in d %}{% endfor %}", "one name or two"),
        ("{% for a in b %}{{ loop }}{% endfor %}", "like loop.index"),
        ("{% for a in b %}{{ loop.cycle }}{% endfor %}", "loop has first, index"),
        ("{{ _a }}", "context()['_a']"),
        ("{{ a.__class__ }}", "names that begin with '_' are refused"),
        ("{{ a.b() }}", "values have no methods: write a function instead of .b"),
        ("{{ 'a'.upper() }}", "values have no methods: write | upper"),
        ("{{ a() }}", "there is no function or filter 'a'"),
        ("{{ heder('a') }}", "is it header?"),
        ("{{ a | safe }}", "there is no function or filter 'safe'"),
        ("{{ a() () }}", "only functions can be called"),
        ("{{ header() }}", "header takes 1 arguments, a filter's value among them, and has 0"),
        ("{{ header(*a) }}", "write each argument"),
        ("{{ join(a, d=',') }}", "arguments have no names here"),
        ("{{ request_header(a) }}", "takes a text in quotes"),
        ("{{ env('A' ~ b) }}", "takes a text in quotes"),
        ("{{ a is divisibleby 2 }}", "there are boolean, defined"),
        ("{{ a[1:2] }}", "use substring"),
        ("{{ 2 ** 2 }}", "'**' is not supported"),
        ("{{ 1e999 }}", "out of range"),
        ("{{ '\\ud800' }}", "half of a surrogate pair"),
        ("{{ a", "line 1: unexpected end of template"),
        ("{% if a %}", "line 1: unexpected end of template"),
        ("{{ 1" + "0" * 5000 + " }}", "out of range"),
        ("{{ 1" + "0" * 400 + " }}", "out of range"),
    ],
)
def test_what_is_refused(template: str, words: str) -> None:
    """What would load, define or call something, and what is no template, is refused."""
    assert words in fault(template)


@pytest.mark.parametrize("begin", ["(", "not ", "-", "[", "a[", "1 ~ (", "{% if a %}{{ ("])
def test_depth(begin: str) -> None:
    """However deep a template is nested, it is refused with the limit, or as no template."""
    found = fault("{{ " + begin * 1500 + "1")
    assert f"{MAX_DEPTH} levels are the most" in found or "line 1" in found


def test_number_of_nodes() -> None:
    """A template has a bounded number of statements and expressions."""
    read_template("{{ 1 }}" * (MAX_NODES // 2 - 1))
    assert f"more than {MAX_NODES}" in fault("{{ 1 }}" * MAX_NODES)


def test_what_is_read() -> None:
    """It is known before requests come what a template reads of them."""
    found = read_template("{{ body() }} {{ request_header('X-A') }} {{ query('q') }} {{ env('POD_NAME') }}")
    assert found.reads_body
    assert not found.variables
    assert found.request_headers == {"x-a", ":path"}
    assert found.env == {"POD_NAME"}
    assert read_template("{{ get_cookie('a') }} {{ host() }} {{ method() }}").request_headers == {
        "cookie",
        ":authority",
        ":method",
    }


@pytest.mark.parametrize(
    ("template", "variables"),
    [
        ("{{ a }}", True),
        ("{{ a.b[0] | default('c') }}", True),
        ("{% set a = 1 %}{{ a }}", False),
        ("{{ a }}{% set a = 1 %}", True),
        ("{% for a in [1] %}{{ a }}{{ loop.index }}{% endfor %}", False),
        ("{% for a in [1] %}{% endfor %}{{ a }}", True),
        ("{{ header('a') }}", False),
        ("{{ loop }}", True),
    ],
)
def test_variables(template: str, variables: bool) -> None:
    """Variables that a template does not set itself are those of a JSON body."""
    assert read_template(template).variables is variables


def test_names_of_functions() -> None:
    """Other names are of functions, and no names themselves."""
    assert FUNCTIONS.keys() >= set(OTHER_NAMES.values())
    assert not FUNCTIONS.keys() & OTHER_NAMES.keys()


@given(st.text(st.sampled_from("{}%-# \nabc_.()[]'\"|~+*/<>=!,:0123éloopifnotforinsetendelse"), max_size=60))
def test_any_text(template: str) -> None:
    """Any text is a template, or what is wrong with it is said."""
    with contextlib.suppress(TemplateError):
        read_template(template)
