"""Random templates of the supported language, and data for them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Expression = st.SearchStrategy[str]

KEYS = ("a", "b", "id", "name")
OF_TEXT = ("upper", "lower", "trim", "string", "urlencode", "raw_string", "tojson", "base64_encode", "base64_decode")
LETTERS = "aBz09 _-.,:/+=&%é€𝄞\t\n"
texts = st.text(LETTERS, max_size=6)
numbers = st.integers(-1000, 1000)


def _quoted(value: str) -> str:
    return '"' + value.replace("\n", "\\n").replace("\t", "\\t") + '"'


data_leaves = st.one_of(st.none(), st.booleans(), numbers, st.sampled_from([0.5, -2.25, 1e-7]), texts)
values: st.SearchStrategy[Any] = st.recursive(
    data_leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)),
    max_leaves=8,
)
NAMES = ("list", "map", "text", "number", "any", "x", "y", "missing")
data = st.fixed_dictionaries(
    {},
    optional={
        "list": st.lists(values, max_size=4),
        "map": st.dictionaries(st.sampled_from(KEYS), values, max_size=3),
        "text": texts,
        "number": numbers,
        "any": values,
        "x": values,
    },
)
"""Bodies: most names say what they are, so that most templates do not fail."""

constants = st.one_of(
    texts.map(_quoted), numbers.map(lambda n: f"({n})"), st.sampled_from(["true", "false", "none", "0.5"])
)
names = st.sampled_from(NAMES)
members = st.one_of(
    st.tuples(st.sampled_from(("map", "any", "list[0]", "missing")), st.sampled_from(KEYS)).map(".".join),
    st.tuples(st.sampled_from(("list", "text", "any", "map.a")), st.integers(-3, 3)).map(lambda x: f"{x[0]}[{x[1]}]"),
)


def _numbers(inner: Expression) -> Expression:
    found = st.one_of(numbers.map(lambda n: f"({n})"), inner.map(lambda x: f"({x} | int)"), st.just("0.5"))
    return st.one_of(
        st.tuples(found, st.sampled_from(["+", "-"]), found).map(lambda x: f"({' '.join(x)})"),
        st.tuples(found, st.sampled_from(["%", "//", "/", "*"]), numbers).map(lambda x: f"({x[0]} {x[1]} ({x[2]}))"),
        found.map(lambda x: f"(-{x})"),
        found.map(lambda x: f"float({x})"),
        inner.map(lambda x: f"length({x} ~ '')"),
    )


def _lists(inner: Expression) -> Expression:
    known = inner.map(lambda x: f"default({x}, 0)")
    return st.one_of(
        st.lists(known, max_size=3).map(lambda x: f"[{', '.join(x)}]"),
        st.tuples(inner, texts.filter(bool)).map(lambda x: f"split({x[0]}, {_quoted(x[1])})"),
        st.sampled_from(["list", "(map | items)", "split(text)", "any", "map", "text"]),
    )


def _of_lists(inner: Expression) -> Expression:
    found = _lists(inner)
    return st.one_of(
        st.tuples(found, st.sampled_from(["first", "last", "length", "join"])).map(lambda x: f"({x[0]} | {x[1]})"),
        st.tuples(found, texts).map(lambda x: f"join({x[0]}, {_quoted(x[1])})"),
        st.tuples(inner, st.sampled_from(["in", "not in"]), found).map(lambda x: f"(({x[0]} ~ '') {x[1]} {x[2]})"),
        found,
    )


def _texts(inner: Expression) -> Expression:
    one = st.sampled_from(OF_TEXT)
    return st.one_of(
        st.tuples(one, inner).map(lambda x: f"{x[0]}({x[1]})"),
        st.tuples(inner, one).map(lambda x: f"({x[0]} | {x[1]})"),
        st.tuples(inner, texts, texts).map(lambda x: f"({x[0]} | replace({_quoted(x[1])}, {_quoted(x[2])}))"),
        st.tuples(inner, st.integers(-1, 4), st.integers(-1, 4)).map(lambda x: f"substring({x[0]}, {x[1]}, {x[2]})"),
        st.tuples(inner, st.integers(0, 4)).map(lambda x: f"substring({x[0]}, {x[1]})"),
        st.tuples(inner, inner).map(lambda x: f"({x[0]} ~ {x[1]})"),
    )


def _choices(inner: Expression) -> Expression:
    order = st.sampled_from(["<", "<=", ">", ">="])
    tests = st.sampled_from(["defined", "undefined", "none", "string", "number", "mapping", "boolean"])
    number, text = inner.map(lambda x: f"({x} | int)"), inner.map(lambda x: f"string({x})")
    return st.one_of(
        st.tuples(inner, inner, st.sampled_from(["", ", true"])).map(lambda x: f"default({x[0]}, {x[1]}{x[2]})"),
        st.tuples(inner, st.sampled_from(["==", "!=", "and", "or"]), inner).map(lambda x: f"({' '.join(x)})"),
        st.tuples(number, order, number, order, number).map(lambda x: f"({' '.join(x)})"),
        st.tuples(text, order, text).map(lambda x: f"({' '.join(x)})"),
        st.tuples(inner, tests, st.sampled_from(["is", "is not"])).map(lambda x: f"({x[0]} {x[2]} {x[1]})"),
        st.tuples(number, st.sampled_from(["even", "odd"])).map(" is ".join).map(lambda x: f"({x})"),
        inner.map(lambda x: f"(not {x})"),
        st.tuples(inner, inner, inner).map(lambda x: f"({x[0]} if {x[1]} else {x[2]})"),
    )


def _maps(inner: Expression) -> Expression:
    known = inner.map(lambda x: f"default({x}, 0)")
    pairs = st.tuples(st.sampled_from(KEYS).map(_quoted), known).map(": ".join)
    return st.lists(pairs, max_size=3).map(lambda x: f"{{{', '.join(x)}}}")


def _wrong(inner: Expression) -> Expression:
    """Return what fails unless the kinds of values happen to fit."""
    return st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "<"]), numbers).map(
            lambda x: f"({x[0]} {x[1]} ({x[2]}))"
        ),
        st.tuples(inner, st.sampled_from(["length", "items", "first", "last"])).map(lambda x: f"({x[0]} | {x[1]})"),
        st.tuples(inner, inner).map(lambda x: f"({x[0]} % {x[1]})"),
    )


expressions: Expression = st.recursive(
    st.one_of(constants, names, members),
    lambda inner: st.one_of(
        _numbers(inner), _texts(inner), _of_lists(inner), _choices(inner), _maps(inner), _texts(inner), _wrong(inner)
    ),
    max_leaves=5,
)
looped = st.one_of(_lists(expressions), st.sampled_from(["list", "map", "text", "missing"]))

_BEGIN, _END = st.sampled_from(["{%", "{%-"]), st.sampled_from(["%}", "-%}"])
LOOP = ["loop.index", "loop.index0", "loop.revindex", "loop.first", "loop.last", "loop.length"]


def _tag(text: str, marks: tuple[str, str]) -> str:
    return f"{marks[0]} {text} {marks[1]}"


def _blocks(inner: Expression) -> Expression:
    marks = st.tuples(_BEGIN, _END)
    body = st.one_of(inner, st.sampled_from(LOOP).map(lambda x: f"{{{{ {x} }}}}"))
    return st.one_of(
        st.lists(inner, max_size=3).map("".join),
        st.tuples(expressions, marks, inner, inner).map(
            lambda x: f"{_tag(f'if {x[0]}', x[1])}{x[2]}{_tag('else', x[1])}{x[3]}{{% endif %}}"
        ),
        st.tuples(expressions, inner, expressions, inner).map(
            lambda x: f"{{% if {x[0]} %}}{x[1]}{{% elif {x[2]} %}}{x[3]}{{% endif %}}"
        ),
        st.tuples(st.sampled_from("xy"), looped, marks, inner, body).map(
            lambda x: f"{_tag(f'for {x[0]} in {x[1]}', x[2])}{x[3]}{x[4]}{{% else %}}none{{% endfor %}}"
        ),
        st.tuples(st.sampled_from("xy"), looped, expressions, body).map(
            lambda x: f"{{% for {x[0]} in {x[1]} if {x[2]} %}}{x[3]}{{% endfor %}}"
        ),
        st.tuples(st.sampled_from(["map", "missing", "any"]), body).map(
            lambda x: f"{{% for x, y in {x[0]} | items %}}{x[1]}{{{{ x }}}}{{% endfor %}}"
        ),
    )


templates: Expression = st.recursive(
    st.one_of(
        st.text("ab <\"'\n", max_size=6),
        expressions.map(lambda x: f"{{{{ {x} }}}}"),
        st.tuples(st.sampled_from("xy"), expressions).map(lambda x: f"{{% set {x[0]} = {x[1]} %}}"),
    ),
    _blocks,
    max_leaves=6,
)
