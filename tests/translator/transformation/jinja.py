"""Templates run by Jinja itself, in its sandbox: what the proxy's program has to give for the same template.

Where Headgate's templates differ, the environment here does: values are written as JSON, unknown values equal empty
texts, operators take numbers, and numbers of one kind.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from jinja2 import ChainableUndefined, Template, nodes
from jinja2.sandbox import SandboxedEnvironment

FAILED = "failed"


class Unknown(ChainableUndefined):
    """An unknown value; it equals an empty text."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unknown) or other == ""

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash("")


def text(value: Any) -> str:
    """Return a value as templates write it."""
    if isinstance(value, str):
        return str(value)
    return "" if value is None or isinstance(value, Unknown) else dump(value)


def dump(value: Any) -> str:
    """Return a value as JSON."""
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))


def plain(value: Any) -> Any:
    """Return a value in which whole numbers are all written in one way."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, Unknown):
        return None
    return int(value) if isinstance(value, float) and value.is_integer() else value


def of_text(call: Callable[[str], Any]) -> Callable[[Any], Any]:
    """Return a function of a text as one of any value."""
    return lambda value: call(text(value))


def of_number(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function of a number for which an unknown value is an empty text."""
    return lambda value: call("" if isinstance(value, Unknown) else value)


def _ascii(change: Callable[[str], str]) -> Callable[[str], str]:
    return lambda value: "".join(change(each) if each.isascii() else each for each in value)


def _decode(value: str, altchars: bytes) -> str:
    whole = value if value.endswith("=") else value + "=" * (-len(value) % 4)
    try:
        return base64.b64decode(whole, altchars, validate=True).decode()
    except ValueError:
        return ""


def substring(value: Any, start: Any, length: Any = None) -> str:
    """Return the characters of a text from one on."""
    found = text(value)
    if start < 0:
        return ""
    return found[int(start) :] if length is None or length <= 0 else found[int(start) : int(start) + int(length)]


def replace(value: Any, part: Any, by: Any) -> str:
    """Return a text with another in the place of each part."""
    return text(value).replace(text(part), text(by)) if text(part) else text(value)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "upper": of_text(_ascii(str.upper)),
    "lower": of_text(_ascii(str.lower)),
    "trim": of_text(str.strip),
    "string": of_text(str),
    "urlencode": of_text(lambda found: quote(found, safe="/")),
    "raw_string": of_text(lambda found: json.dumps(found, ensure_ascii=False)[1:-1]),
    "base64_encode": of_text(lambda found: base64.b64encode(found.encode()).decode()),
    "base64url_encode": of_text(lambda found: base64.urlsafe_b64encode(found.encode()).decode()),
    "base64_decode": of_text(lambda found: _decode(found, b"+/")),
    "base64url_decode": of_text(lambda found: _decode(found, b"-_")),
    "tojson": dump,
    "join": lambda value, by="": text(by).join(map(text, value)),
    "split": lambda value, by=None: text(value).split(None if by is None else text(by)),
    "replace_with_string": replace,
    "substring": substring,
    "items": lambda value: [] if isinstance(value, Unknown) else [list(each) for each in value.items()],
}


class SameLanguage(SandboxedEnvironment):
    """Jinja's sandbox with the semantics of Headgate's templates."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=Unknown, finalize=text)
        same = ("default", "first", "last", "length")
        own = FUNCTIONS | {name: of_number(self.filters[name]) for name in ("int", "float")}
        self.globals = {name: self._function(name) for name in same} | own | {"concatenated": concatenated}
        self.filters = {name: self.filters[name] for name in same} | own | {"replace": replace}
        self.tests["number"] = lambda value: isinstance(value, int | float) and not isinstance(value, bool)

    def _function(self, name: str) -> Callable[..., Any]:
        found = self.filters[name]
        return (lambda *args: found(self, *args)) if name in ("first", "last") else found

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return an item of a map; values have no attributes."""
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return an item of a map, list or text."""
        if type(obj).__name__ == "LoopContext":
            return getattr(obj, argument)
        try:
            if isinstance(argument, str) == isinstance(obj, dict):
                return obj[argument]
        except (LookupError, TypeError):
            pass
        return self.undefined(name=str(argument))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Calculate with numbers, or put texts together."""
        texts = operator == "+" and isinstance(left, str) and isinstance(right, str)
        if not texts and not all(isinstance(each, int | float) for each in (left, right)):
            raise TypeError(operator)
        return super().call_binop(context, operator, left, right)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        made = super()._parse(source, name, filename)
        made.body = [_without_concatenation(each) for each in made.body]
        return made


def concatenated(*values: Any) -> str:
    """Put the texts of values together."""
    return "".join(map(text, values))


def _without_concatenation(node: Any) -> Any:
    """Replace ``~``, which in Jinja writes values in Python's way."""
    for field, value in node.iter_fields():
        if isinstance(value, nodes.Node):
            setattr(node, field, _without_concatenation(value))
        elif isinstance(value, list):
            setattr(node, field, [_without_concatenation(x) if isinstance(x, nodes.Node) else x for x in value])
    if not isinstance(node, nodes.Concat):
        return node
    called = nodes.Name("concatenated", "load", lineno=node.lineno)
    return nodes.Call(called, node.nodes, [], None, None, lineno=node.lineno)


ENVIRONMENT = SameLanguage()


def render(template: str, data: dict[str, Any]) -> str:
    """Return what Jinja gives; `FAILED` if it raises."""
    found: Template = ENVIRONMENT.from_string(template)
    try:
        return found.render(data)
    except Exception:
        return FAILED
