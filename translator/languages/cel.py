"""CEL: the expressions in which policies state conditions on requests, and what of it Envoy 1.40 evaluates.

Envoy takes parsed expressions, not text, and refuses the whole resource for a function that it does not have, or a
comprehension. What it does not refuse may be as bad: a name that it does not know is an error in each evaluation, so
the condition never holds, and a rule that denies never denies. Here, both are refused, each with the way out.

Source: https://github.com/google/cel-spec, and
https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/advanced/attributes
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import Final, NamedTuple

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError

from headgate_proto.cel.expr.syntax_pb2 import Expr, ParsedExpr

MAX_BYTES: Final = 16 * 1024
"""The greatest size of an expression, in bytes of UTF-8."""
MAX_DEPTH: Final = 32
"""How many operators, calls and members may stand in each other; Envoy reads messages of at most 100 levels."""
MAX_REGEX_PROGRAM_SIZE: Final = 100
"""Envoy refuses a resource with a costlier regular expression in an expression (``regex_max_program_size``)."""
TOO_DEEP: Final = f"is nested deeper than {MAX_DEPTH} levels: split it"

_SYNTAX_ERROR: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?(.*)")
_ENDS_EARLY: Final = "mismatched input '<EOF>'"
_EXPECTED: Final = re.compile(r" expecting \{.*\}| \[INVALID_ARGUMENT\]")


class CelError(ValueError):
    """What is wrong with an expression: the message gives the line and column, the fault, and the way out."""


@lru_cache(maxsize=64)
def parse(text: str) -> bytes:
    """Return an expression as a serialised ``cel.expr.ParsedExpr``, the same for the same text.

    Raises:
        CelError: the syntax is wrong, or Envoy could not evaluate it.
    """
    if len(text.encode()) > MAX_BYTES:
        raise CelError(f"has more than {MAX_BYTES} bytes: shorten it")
    parsed = _parsed(text)
    for node, depth in _nodes(parsed.expr):
        if problem := TOO_DEEP if depth > MAX_DEPTH else _fault(node):
            raise CelError(_at(parsed, node, problem))
    # Positions are of no use to Envoy, and maps have no order.
    parsed.ClearField("source_info")
    return parsed.SerializeToString(deterministic=True)


def check(text: str) -> str | None:
    """Return what is wrong with an expression, and what to write instead; None if Envoy can evaluate it."""
    try:
        parse(text)
    except CelError as error:
        return str(error)
    return None


def _parsed(text: str) -> ParsedExpr:
    # Envoy's own parser, in C++. It is loaded for the first expression; most configurations have none.
    from cel_expr_python import cel

    try:
        packed = AnyMessage.FromString(_environment(cel).compile(text, disable_check=True).serialize())
        return ParsedExpr.FromString(packed.value)
    except DecodeError:
        raise CelError(TOO_DEEP) from None
    except RuntimeError as error:
        raise CelError(_syntax_error(str(error))) from None


def _syntax_error(message: str) -> str:
    """Return what the parser says, without its list of all that could stand there."""
    found = _SYNTAX_ERROR.search(message)
    if "recursion" in message or found is None:
        return TOO_DEEP if "recursion" in message else f"is not CEL: {message.splitlines()[0]}"
    line, column, fault = found.groups()
    fault = _EXPECTED.sub("", fault)
    fault = "something is missing at the end" if fault == _ENDS_EARLY else fault.replace("'<EOF>'", "the end")
    return f"line {line}, column {column}: {fault}"


@cache
def _environment(cel):  # type: ignore[no-untyped-def]  # the library has no py.typed
    return cel.NewEnv()


def nodes(root: Expr) -> Iterator[Expr]:
    """Yield each node of an expression."""
    return (node for node, _ in _nodes(root))


def roots(text: str) -> frozenset[str]:
    """Return the names with which the values of an expression begin, such as ``request``.

    Raises:
        CelError: Envoy could not evaluate it.
    """
    found = ParsedExpr.FromString(parse(text)).expr
    return frozenset(each.ident_expr.name.removeprefix(".") for each in nodes(found) if each.HasField("ident_expr"))


def members(text: str, root: str) -> frozenset[str]:
    """Return the members of a value, such as ``request``, that an expression names: by a dot, or as an index.

    Raises:
        CelError: Envoy could not evaluate it.
    """
    found = set[str]()
    for each in nodes(ParsedExpr.FromString(parse(text)).expr):
        select, arguments = each.select_expr, each.call_expr.args
        if select.operand.ident_expr.name.removeprefix(".") == root:
            found.add(select.field)
        if len(arguments) == 2 and arguments[0].ident_expr.name.removeprefix(".") == root:
            found.add(arguments[1].const_expr.string_value)
    return frozenset(found)


def _nodes(root: Expr) -> Iterator[tuple[Expr, int]]:
    """Yield each node of an expression with its depth, from left to right."""
    pending = [(root, 1)]
    while pending:
        node, depth = pending.pop()
        yield node, depth
        pending += ((each, depth + 1) for each in reversed(list(_children(node))))


def _children(node: Expr) -> Iterator[Expr]:
    kind = node.WhichOneof("expr_kind")
    if kind == "select_expr":
        yield node.select_expr.operand
    elif kind == "call_expr":
        # What looks like a member of `re` is a function of that name.
        if node.call_expr.HasField("target") and not _is_qualified(node):
            yield node.call_expr.target
        yield from node.call_expr.args
    elif kind == "list_expr":
        yield from node.list_expr.elements
    elif kind == "struct_expr":
        for entry in node.struct_expr.entries:
            if entry.HasField("map_key"):
                yield entry.map_key
            yield entry.value


def _at(parsed: ParsedExpr, node: Expr, problem: str) -> str:
    place = parsed.source_info.positions[node.id]
    starts = [0, *(end for end in parsed.source_info.line_offsets if end <= place)]
    return f"line {len(starts)}, column {place - starts[-1] + 1}: {problem}"


def _fault(node: Expr) -> str | None:
    kind = node.WhichOneof("expr_kind")
    if kind == "comprehension_expr":
        return (
            "Envoy evaluates no comprehensions (all, exists, exists_one, filter, map): "
            "use 'in', or matches with a regular expression, or several conditions with && and ||"
        )
    if kind == "ident_expr":
        return _unknown_root(node.ident_expr.name.removeprefix("."))
    if kind == "select_expr":
        return _unknown_attribute(node.select_expr.operand, node.select_expr.field)
    if kind == "struct_expr" and node.struct_expr.message_name:
        return f"must not make messages, like {node.struct_expr.message_name}: compare their fields with values"
    return _wrong_call(node) if kind == "call_expr" else None


def _unknown_root(name: str) -> str | None:
    if name in ATTRIBUTES or name in TYPES:
        return None
    if name in ELSEWHERE:
        return f"there is no {name}: write {ELSEWHERE[name]}"
    owner = next((root for root, members in ATTRIBUTES.items() if name in members), None)
    near = get_close_matches(name, ATTRIBUTES, n=1)
    hint = f"did you mean {owner}.{name}?" if owner else f"did you mean {near[0]}?" if near else None
    return f"there is no {name}: {hint or 'a value begins with one of ' + ', '.join(ATTRIBUTES)}"


def _unknown_attribute(operand: Expr, name: str) -> str | None:
    members = _members(operand)
    if members is None or name in members:
        return None
    root = operand.ident_expr.name.removeprefix(".")
    near = get_close_matches(name, members, n=1)
    hint = f"did you mean {root}.{near[0]}?" if near else f"it has {', '.join(members)}"
    return f"{root} has no {name}: {hint}"


def _members(operand: Expr) -> tuple[str, ...] | None:
    """Return the attributes that an operand has; None if they are not known, such as those of a map."""
    is_root = operand.WhichOneof("expr_kind") == "ident_expr"
    return ATTRIBUTES.get(operand.ident_expr.name.removeprefix(".")) or None if is_root else None


def _is_qualified(node: Expr) -> bool:
    call = node.call_expr
    return call.target.ident_expr.name == "re" and f"re.{call.function}" in FUNCTIONS


def _wrong_call(node: Expr) -> str | None:
    call = node.call_expr
    name, given = call.function, len(call.args)
    if name in OPERATORS:
        return _wrong_index(node) if name == "_[_]" else None
    method = call.HasField("target") and not _is_qualified(node)
    name = f"re.{name}" if call.HasField("target") and not method else name
    forms = FUNCTIONS.get(name)
    if forms is None:
        return _unknown_function(name)
    if given not in (forms.method if method else forms.function):
        return f"{name} is written {forms.example}"
    return _wrong_regex(call.args[-1]) if name == "matches" else None


def _wrong_index(node: Expr) -> str | None:
    operand, index = node.call_expr.args
    is_name = index.const_expr.WhichOneof("constant_kind") == "string_value"
    return _unknown_attribute(operand, index.const_expr.string_value) if is_name else None


def _wrong_regex(argument: Expr) -> str | None:
    if argument.const_expr.WhichOneof("constant_kind") != "string_value":
        return None
    import re2

    pattern = argument.const_expr.string_value
    quiet = re2.Options()
    quiet.log_errors = False
    try:
        size = re2.compile(pattern, quiet).programsize
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        return f"{pattern!r} is not a regular expression of RE2: {reason}"
    if size > MAX_REGEX_PROGRAM_SIZE:
        return (
            f"{pattern!r} costs too much: its RE2 program has a size of {size}, and {MAX_REGEX_PROGRAM_SIZE} is the "
            "most in CEL; split it, or compare with startsWith, endsWith and contains"
        )
    return None


def _unknown_function(name: str) -> str:
    if name in INSTEAD:
        return f"Envoy has no function {name}: {INSTEAD[name]}"
    near = get_close_matches(name, FUNCTIONS, n=1)
    hint = f"did you mean {FUNCTIONS[near[0]].example}?" if near else f"it has {', '.join(FUNCTIONS)}"
    return f"Envoy has no function {name}: {hint}"


class Function(NamedTuple):
    """A function that Envoy has.

    Attributes:
        example: how it is written.
        function: with how many arguments it may be called.
        method: the same where it is called at a value, which is not among the arguments.
    """

    example: str
    function: tuple[int, ...] = ()
    method: tuple[int, ...] = ()


def _of_time(name: str) -> Function:
    return Function(f"request.time.{name}('Europe/Berlin')", method=(0, 1))


FUNCTIONS: Final[Mapping[str, Function]] = {
    **{name: Function(f"request.path.{name}('a')", (2,), (1,)) for name in ("contains", "startsWith", "endsWith")},
    "matches": Function("request.path.matches('a+')", (2,), (1,)),
    "size": Function("size(request.path)", (1,), (0,)),
    **{name: Function(f"{name}('1')", (1,)) for name in ("int", "uint", "double", "bytes", "bool", "dyn", "type")},
    "timestamp": Function("timestamp('2030-01-01T00:00:00Z')", (1,)),
    "duration": Function("duration('1s')", (1,)),
    "getFullYear": _of_time("getFullYear"),
    "getMonth": _of_time("getMonth"),
    "getDate": _of_time("getDate"),
    "getDayOfMonth": _of_time("getDayOfMonth"),
    "getDayOfWeek": _of_time("getDayOfWeek"),
    "getDayOfYear": _of_time("getDayOfYear"),
    "getHours": _of_time("getHours"),
    "getMinutes": _of_time("getMinutes"),
    "getSeconds": _of_time("getSeconds"),
    "getMilliseconds": _of_time("getMilliseconds"),
    "re.extract": Function("re.extract(request.path, '/([a-z]+)', '\\\\1')", (3,)),
    "re.capture": Function("re.capture(request.path, '/([a-z]+)')", (2,)),
    "re.captureN": Function("re.captureN(request.path, '/(?P<name>[a-z]+)')", (2,)),
}
"""The functions of Envoy 1.40."""

_OPERATORS: Final = "_==_ _!=_ _<_ _<=_ _>_ _>=_ _+_ _-_ _*_ _/_ _%_ -_ !_ _&&_ _||_ _?_:_ _[_] @in"
OPERATORS: Final = frozenset(_OPERATORS.split())
"""The operators, by the names that the parser gives them."""

_STRINGS: Final = "use matches with a regular expression, such as matches('(?i)^abc$')"
INSTEAD: Final[Mapping[str, str]] = {
    **dict.fromkeys(("lowerAscii", "upperAscii", "trim", "replace", "reverse", "format", "quote"), _STRINGS),
    **dict.fromkeys(("split", "substring", "charAt", "indexOf", "lastIndexOf"), _STRINGS),
    "join": "compare the items one by one",
    "string": "compare the value as what it is, such as response.code == 200",
    **dict.fromkeys(("cidr", "containsIP", "ip", "isIP"), "use the fields of the policy for addresses"),
    **dict.fromkeys(("now", "random"), "a condition knows only the request; request.time is when it began"),
    "bind": "write the value out where it is used",
}
"""Functions that others have, by name, and what to write instead."""

TYPES: Final = frozenset(["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"])
"""The names of types, with which `type(x)` is compared."""

_TLS: Final = """
    tls_version subject_local_certificate subject_peer_certificate dns_san_local_certificate dns_san_peer_certificate
    uri_san_local_certificate uri_san_peer_certificate sha256_peer_certificate_digest transport_failure_reason
"""
_ATTRIBUTES: Final[Mapping[str, str]] = {
    "request": """
        path url_path host scheme method headers referer useragent time id protocol query duration size total_size
        headers_bytes
    """,
    "response": "code code_details flags grpc_status headers trailers size total_size backend_latency",
    "source": "address port",
    "destination": "address port",
    "connection": f"id mtls requested_server_name termination_details {_TLS}",
    "upstream": f"address port local_address request_attempt_count cx_pool_ready_duration locality {_TLS}",
    "metadata": "filter_metadata typed_filter_metadata",
    "filter_state": "",
    "xds": """
        route_name route_metadata virtual_host_name virtual_host_metadata cluster_name cluster_metadata
        upstream_host_metadata listener_direction listener_metadata filter_chain_name
    """,
}
ATTRIBUTES: Final[Mapping[str, tuple[str, ...]]] = {
    root: tuple(members.split()) for root, members in _ATTRIBUTES.items()
}
"""What a condition may ask about, and the members of each; none where they have any names."""

ELSEWHERE: Final[Mapping[str, str]] = {
    "route_name": "xds.route_name",
    "cluster_name": "xds.cluster_name",
    "jwt": "metadata.filter_metadata['envoy.filters.http.jwt_authn']",
    "headers": "request.headers",
    "node": "what the request has: the proxy's own identity is no condition",
}
"""Names that one may look for, and what Envoy calls them."""
