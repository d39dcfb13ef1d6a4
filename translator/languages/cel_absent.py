"""Expressions in CEL in which a header that a request does not have is empty, and no error.

To CEL a key that a map does not have is an error, so ``request.headers['x-env'] != 'prod'`` does not hold for a request
without the header: a rule that denies by it would let the request in.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import count

from headgate_proto.cel.expr.syntax_pb2 import Expr, ParsedExpr
from translator.languages import cel

INDEX = "_[_]"
CONDITIONAL = "_?_:_"


@lru_cache(maxsize=64)
def with_absent_headers(text: str) -> bytes:
    """Return an expression as a serialised ``cel.expr.ParsedExpr`` in which headers may be absent.

    Raises:
        translator.languages.cel.CelError: Envoy could not evaluate it.
    """
    parsed = ParsedExpr.FromString(cel.parse(text))
    numbers = count(1 + max(each.id for each in cel.nodes(parsed.expr)))
    for node in [each for each in cel.nodes(parsed.expr) if _header(each) is not None]:
        _guard(node, _header(node) or "", numbers)
    return parsed.SerializeToString(deterministic=True)


def _header(node: Expr) -> str | None:
    """Return the name of the header whose value an expression is; None if it is none."""
    if node.HasField("select_expr") and not node.select_expr.test_only and _is_headers(node.select_expr.operand):
        return node.select_expr.field
    if node.call_expr.function != INDEX:
        return None
    operand, index = node.call_expr.args
    if not _is_headers(operand) or index.const_expr.WhichOneof("constant_kind") != "string_value":
        return None
    return index.const_expr.string_value


def _is_headers(node: Expr) -> bool:
    """Return whether an expression is ``request.headers``."""
    found = node.select_expr
    return found.field == "headers" and found.operand.ident_expr.name.removeprefix(".") == "request"


def _guard(node: Expr, name: str, numbers: count[int]) -> None:
    """Turn the value of a header into one that is empty where there is none."""
    value = Expr()
    value.CopyFrom(node)
    headers = value.select_expr.operand if value.HasField("select_expr") else value.call_expr.args[0]
    test = Expr(id=next(numbers))
    test.call_expr.function = "@in"
    test.call_expr.args.add(id=next(numbers)).const_expr.string_value = name
    test.call_expr.args.add().CopyFrom(headers)
    test.call_expr.args[1].id = next(numbers)
    test.call_expr.args[1].select_expr.operand.id = next(numbers)
    empty = Expr(id=next(numbers))
    empty.const_expr.string_value = ""
    node.Clear()
    node.id = next(numbers)
    node.call_expr.function = CONDITIONAL
    node.call_expr.args.extend((test, value, empty))
