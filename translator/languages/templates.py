"""Templates: a part of Jinja's language, read by Jinja's own parser and never executed by it.

A template becomes nested lists, which the program in `translator/envoy/transformation` runs in the proxy. What Jinja
has beside is refused: whatever would load, define or call code. Unknown variables are no error, they are empty.
This module is imported with the first template: it loads Jinja, which most configurations do not need.

The lists of statements hold texts, which are written as they are, and lists:

- ``["o", expression]``: writes a value.
- ``["if", [[condition, statements]…], statements or None]``
- ``["for", [name, perhaps name], iterable, condition or None, statements, statements or None, nodes]``
- ``["set", name, expression]``

Expressions: ``["c", constant]``, ``["n", number as text]``, ``["v", name]``, ``["a", object, key]``,
``["f", name, arguments…]``, ``["is", test, value]``, ``["not", x]``, ``["and", x, y]``, ``["or", x, y]``,
``["cmp", x, operator, y…]``, ``["+", x, y]`` and other operators, ``["neg", x]``, ``["~", x…]``,
``["if", condition, x, y or None]``, ``["list", x…]``, ``["map", key, x…]``, ``["loop", field]``.

Source: https://jinja.palletsprojects.com/en/stable/templates
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final, NoReturn

from jinja2 import Environment, TemplateSyntaxError, nodes

from translator.languages.template_functions import (
    FUNCTIONS,
    LITERAL,
    OF_BODIES,
    OTHER_NAMES,
    REQUEST_HEADERS,
    TESTS,
)

MAX_NODES: Final = 2000
"""The most statements and expressions of a template."""
MAX_DEPTH: Final = 64
"""How deep statements and expressions may stand in each other."""

_PARSER: Final = Environment()
_LOOP: Final = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length"})
_OPERATORS: Final = {
    nodes.Add: "+",
    nodes.Sub: "-",
    nodes.Mul: "*",
    nodes.Div: "/",
    nodes.FloorDiv: "//",
    nodes.Mod: "%",
}
_COMPARISONS: Final = {
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "lteq": "<=",
    "gt": ">",
    "gteq": ">=",
    "in": "in",
    "notin": "not in",
}
_WAYS_OUT: Final[dict[type[nodes.Node], str]] = {
    nodes.Include: "'include' is not supported: write the text here",
    nodes.Import: "'import' is not supported: there are no other templates",
    nodes.FromImport: "'import' is not supported: there are no other templates",
    nodes.Extends: "'extends' is not supported: there are no other templates",
    nodes.Block: "'block' is not supported: write what is in it without it",
    nodes.Macro: "'macro' is not supported: write what it does where it is called",
    nodes.CallBlock: "'call' is not supported: write what it does here",
    nodes.FilterBlock: "'filter' blocks are not supported: use the filter on each value, like {{ x | upper }}",
    nodes.AssignBlock: "'set' without '=' is not supported: write {% set name = value %}",
    nodes.With: "'with' is not supported: use {% set name = value %}",
    nodes.Slice: "slices are not supported: use substring(text, start, length)",
    nodes.Pow: "'**' is not supported: use '*'",
    nodes.Keyword: "arguments have no names here: write the value alone",
}


class TemplateError(Exception):
    """What is wrong with a template, with its line and the way out; no sentence of its own."""


@dataclass(frozen=True, slots=True)
class Template:
    """A template that was read.

    Attributes:
        statements: what it says, as nested lists; nobody changes them.
        variables: whether it has variables, beside those that it sets: these are of a JSON body.
        reads_body: whether it calls a function that needs the body.
        request_headers: the names of the headers of requests that it reads, in lower case.
        env: the names of the environment variables that it reads.
    """

    statements: list[Any]
    variables: bool
    reads_body: bool
    request_headers: frozenset[str]
    env: frozenset[str]


@lru_cache(maxsize=64)  # policies often have the same, and each is read at several places
def read_template(text: str) -> Template:
    """Return what a template says.

    Raises:
        TemplateError: it is no template, or has something that is not supported.
    """
    try:
        parsed = _PARSER.parse(text)
        reader = _TemplateReader()
        statements = reader.statements(parsed.body, frozenset())
    except TemplateSyntaxError as error:
        raise TemplateError(f"line {error.lineno}: {_sentence(error.message or 'it is no template')}") from None
    except (ValueError, OverflowError) as error:
        raise TemplateError(f"it has a constant that is out of range: {error}") from None
    except RecursionError:
        raise TemplateError(f"it is nested too deep: {MAX_DEPTH} levels are the most") from None
    return Template(
        statements,
        reader.variables,
        reader.reads_body,
        frozenset(reader.request_headers),
        frozenset(reader.env),
    )


def _sentence(message: str) -> str:
    return message[:1].lower() + message[1:].rstrip(".")


def _fail(node: nodes.Node, message: str) -> NoReturn:
    raise TemplateError(f"line {node.lineno}: {message}")


class _TemplateReader:
    """Reads the nodes of one template; `scope` is what the names of the template itself are at a place."""

    def __init__(self) -> None:
        self.variables = False
        self.reads_body = False
        self.request_headers: set[str] = set()
        self.env: set[str] = set()
        self._nodes = 0
        self._depth = 0
        self._loops = 0

    def statements(self, body: Iterable[nodes.Node], scope: frozenset[str]) -> list[Any]:
        """Return statements; a name that one of them sets is known to those behind it."""
        made: list[Any] = []
        for each in body:
            made += self._statement(each, scope)
            if isinstance(each, nodes.Assign) and isinstance(each.target, nodes.Name):
                scope = scope.union({each.target.name})
        return made

    def _statement(self, node: nodes.Node, scope: frozenset[str]) -> Iterator[Any]:
        self._enter(node)
        match node:
            case nodes.Output():
                for each in node.nodes:
                    if isinstance(each, nodes.TemplateData):
                        yield _text(each, each.data)
                    else:
                        yield ["o", self._expression(each, scope)]
            case nodes.If():
                yield self._if(node, scope)
            case nodes.For():
                yield self._for(node, scope)
            case nodes.Assign():
                yield ["set", self._target(node.target), self._expression(node.node, scope)]
            case _:
                raise _refusal(node)
        self._depth -= 1

    def _if(self, node: nodes.If, scope: frozenset[str]) -> list[Any]:
        branches = [
            [self._expression(each.test, scope), self.statements(each.body, scope)] for each in (node, *node.elif_)
        ]
        return ["if", branches, self.statements(node.else_, scope) if node.else_ else None]

    def _for(self, node: nodes.For, scope: frozenset[str]) -> list[Any]:
        if node.recursive:
            _fail(node, "'recursive' is not supported: write one loop in another")
        before = self._nodes
        targets = node.target.items if isinstance(node.target, nodes.Tuple) else [node.target]
        if len(targets) > 2:
            _fail(node, "a loop has one name or two, not more")
        names = [self._target(each) for each in targets]
        iterable = self._expression(node.iter, scope)
        inner = scope.union(names)
        test = self._expression(node.test, inner) if node.test is not None else None
        self._loops += 1
        body = self.statements(node.body, inner)
        self._loops -= 1
        rest = self.statements(node.else_, scope) if node.else_ else None
        return ["for", names, iterable, test, body, rest, self._nodes - before]

    def _target(self, node: nodes.Node) -> str:
        if not isinstance(node, nodes.Name):
            raise _refusal(node, "only a name can be set: write {% set name = value %}")
        if node.name.startswith("_") or node.name == "loop":
            _fail(node, f"{node.name!r} cannot be set: choose another name")
        return node.name

    def _enter(self, node: nodes.Node) -> None:
        self._nodes += 1
        self._depth += 1
        if self._nodes > MAX_NODES:
            _fail(node, f"it has more than {MAX_NODES} statements and expressions: make it shorter")
        if self._depth > MAX_DEPTH:
            _fail(node, f"it is nested too deep: {MAX_DEPTH} levels are the most")

    def _expression(self, node: nodes.Node, scope: frozenset[str]) -> list[Any]:
        self._enter(node)
        made = self._value(node, scope)
        self._depth -= 1
        return made

    def _all(self, found: Iterable[nodes.Node], scope: frozenset[str]) -> list[list[Any]]:
        return [self._expression(each, scope) for each in found]

    def _value(self, node: nodes.Node, scope: frozenset[str]) -> list[Any]:
        match node:
            case nodes.Const():
                return _constant(node)
            case nodes.Name():
                return self._name(node, scope)
            case nodes.Getattr() | nodes.Getitem():
                return self._member(node, scope)
            case nodes.Call() | nodes.Filter() | nodes.Test():
                return self._call(node, scope)
            case nodes.List() | nodes.Tuple():
                return ["list", *self._all(node.items, scope)]
            case nodes.Dict():
                pairs = ((each.key, each.value) for each in node.items)
                return ["map", *(part for pair in pairs for part in self._all(pair, scope))]
            case _:
                return self._operation(node, scope)

    def _operation(self, node: nodes.Node, scope: frozenset[str]) -> list[Any]:
        match node:
            case nodes.Compare():
                made = ["cmp", self._expression(node.expr, scope)]
                for each in node.ops:
                    made += [_COMPARISONS[each.op], self._expression(each.expr, scope)]
                return made
            case nodes.And() | nodes.Or():
                return [type(node).__name__.lower(), *self._all((node.left, node.right), scope)]
            case nodes.Not():
                return ["not", self._expression(node.node, scope)]
            case nodes.Neg() | nodes.Pos():
                return [type(node).__name__.lower(), self._expression(node.node, scope)]
            case nodes.Concat():
                return ["~", *self._all(node.nodes, scope)]
            case nodes.CondExpr():
                rest = self._expression(node.expr2, scope) if node.expr2 is not None else None
                return ["if", self._expression(node.test, scope), self._expression(node.expr1, scope), rest]
            case nodes.BinExpr() if type(node) in _OPERATORS:
                return [_OPERATORS[type(node)], *self._all((node.left, node.right), scope)]
            case _:
                raise _refusal(node)

    def _name(self, node: nodes.Name, scope: frozenset[str]) -> list[Any]:
        if node.name.startswith("_"):
            _fail(node, f"{node.name!r}: names that begin with '_' are refused; context()[{node.name!r}] is that field")
        if node.name == "loop" and self._loops and "loop" not in scope:
            _fail(node, "'loop' stands only before a field, like loop.index")
        self.variables = self.variables or node.name not in scope
        return ["v", node.name]

    def _member(self, node: nodes.Getattr | nodes.Getitem, scope: frozenset[str]) -> list[Any]:
        if isinstance(node, nodes.Getitem):
            return ["a", *self._all((node.node, node.arg), scope)]
        if isinstance(node.node, nodes.Name) and node.node.name == "loop" and self._loops:
            if node.attr not in _LOOP:
                _fail(node, f"'loop.{node.attr}' is not supported: loop has {', '.join(sorted(_LOOP))}")
            return ["loop", node.attr]
        if node.attr.startswith("_"):
            _fail(node, f"names that begin with '_' are refused: write [{node.attr!r}] in place of .{node.attr}")
        return ["a", self._expression(node.node, scope), ["c", node.attr]]

    def _call(self, node: nodes.Call | nodes.Filter | nodes.Test, scope: frozenset[str]) -> list[Any]:
        if node.kwargs:
            raise _refusal(node.kwargs[0])
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            _fail(node, "'*' before arguments is not supported: write each argument")
        if isinstance(node, nodes.Call):
            return self._function(node, self._called(node), list(node.args), scope)
        assert node.node is not None, "only in blocks, which are refused"
        if isinstance(node, nodes.Filter):
            return self._function(node, node.name, [node.node, *node.args], scope)
        if node.name not in TESTS or node.args:
            _fail(node, f"the test 'is {node.name}' is not supported: there are {', '.join(sorted(TESTS))}")
        return ["is", node.name, self._expression(node.node, scope)]

    def _called(self, node: nodes.Call) -> str:
        if isinstance(node.node, nodes.Name):
            return node.node.name
        if isinstance(node.node, nodes.Getattr):
            name = node.node.attr
            known = name in FUNCTIONS or name in OTHER_NAMES
            _fail(node, f"values have no methods: write {'| ' if known else 'a function instead of .'}{name}")
        _fail(node, "only functions can be called, by their names")

    def _function(self, node: nodes.Node, name: str, arguments: list[nodes.Expr], scope: frozenset[str]) -> list[Any]:
        name = OTHER_NAMES.get(name, name)
        if name not in FUNCTIONS:
            near = get_close_matches(name, FUNCTIONS, 1)
            _fail(node, f"there is no function or filter {name!r}" + (f"; is it {near[0]}?" if near else ""))
        least, most = FUNCTIONS[name]
        if not least <= len(arguments) <= most:
            many = f"{least}" if least == most else f"{least} to {most}"
            _fail(node, f"{name} takes {many} arguments, a filter's value among them, and has {len(arguments)}")
        if name in LITERAL:
            self._note(name, arguments[0])
        self.reads_body = self.reads_body or name in OF_BODIES
        if name in REQUEST_HEADERS:
            self.request_headers.add(REQUEST_HEADERS[name])
        return ["f", name, *self._all(arguments, scope)]

    def _note(self, name: str, argument: nodes.Expr) -> None:
        if not isinstance(argument, nodes.Const) or not isinstance(argument.value, str):
            _fail(argument, f"{name} takes a text in quotes: what it reads is known before requests come")
        if name == "env":
            self.env.add(argument.value)
        elif name == "request_header":
            self.request_headers.add(argument.value.lower())


def _refusal(node: nodes.Node, message: str = "") -> TemplateError:
    found = message or _WAYS_OUT.get(type(node))
    found = found or f"'{type(node).__name__.lower()}' is not supported: there are if, for, set and values"
    return TemplateError(f"line {node.lineno}: {found}")


def _text(node: nodes.Node, value: str) -> str:
    if any("\ud800" <= each <= "\udfff" for each in value):
        _fail(node, "a text has half of a surrogate pair, which is no character: remove it")
    return value


def _constant(node: nodes.Const) -> list[Any]:
    value = node.value
    if isinstance(value, str):
        return ["c", _text(node, value)]
    if isinstance(value, float) and not math.isfinite(value):
        _fail(node, "a number is out of range: it has to be below 1e308")
    # The proxy writes these as they are here: it calculates with floating point, where they are not exact.
    if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**15):
        if isinstance(value, int) and value.bit_length() > 1000:
            _fail(node, "a number is out of range: it has to be below 1e308")
        return ["n", repr(value)]
    return ["c", value]
