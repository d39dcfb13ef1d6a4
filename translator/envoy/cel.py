"""Expressions in CEL that Envoy evaluates: in the values of headers (``%CEL(…)%``), and as conditions of matchers."""

from __future__ import annotations

import string

from headgate_proto.cel.expr.syntax_pb2 import ParsedExpr
from headgate_proto.xds.type.matcher.v3.cel_pb2 import CelMatcher
from headgate_proto.xds.type.matcher.v3.http_inputs_pb2 import HttpAttributesCelMatchInput
from headgate_proto.xds.type.matcher.v3.matcher_pb2 import Matcher
from headgate_proto.xds.type.v3.cel_pb2 import CelExpression
from translator.languages import cel
from translator.languages.cel_absent import with_absent_headers

_PLAIN = frozenset(string.ascii_letters + string.digits + "-._ ,:/*")


def text(value: str) -> str:
    """Write a string literal; what would end it, or the command that it is in, is escaped."""
    return "'" + "".join(map(_character, value)) + "'"


def _character(each: str) -> str:
    if each in _PLAIN:
        return each
    return f"\\u{ord(each):04x}" if ord(each) < 0x10000 else f"\\U{ord(each):08x}"


def value_if(condition: str, value: str) -> str:
    """Write the value of a header: `value`, an expression, where `condition` holds; Envoy leaves out what is empty."""
    return f"%CEL({condition} ? {value} : '')%"


def cel_matcher(expression: str) -> Matcher.MatcherList.Predicate:
    """Write a condition on a request as the predicate of a matcher.

    It does not hold where Envoy cannot evaluate it, such as for a header that a request does not have.

    Raises:
        translator.languages.cel.CelError: Envoy could not evaluate it at all.
    """
    return _matcher(ParsedExpr.FromString(cel.parse(expression)))


def cel_denial(expression: str) -> Matcher.MatcherList.Predicate:
    """Write a condition by which requests are refused: it holds too where Envoy cannot evaluate it.

    A header that a request does not have is empty.

    Raises:
        translator.languages.cel.CelError: Envoy could not evaluate it at all.
    """
    parsed, negation = ParsedExpr.FromString(with_absent_headers(expression)), ParsedExpr()
    negation.expr.id = 1 + max(each.id for each in cel.nodes(parsed.expr))
    negation.expr.call_expr.function = "!_"
    negation.expr.call_expr.args.add().CopyFrom(parsed.expr)
    predicate = Matcher.MatcherList.Predicate()
    predicate.not_matcher.CopyFrom(_matcher(negation))
    return predicate


def cel_expression(expression: str) -> CelExpression:
    """Write an expression.

    Raises:
        translator.languages.cel.CelError: Envoy could not evaluate it at all.
    """
    return CelExpression(cel_expr_parsed=ParsedExpr.FromString(cel.parse(expression)))


def _matcher(parsed: ParsedExpr) -> Matcher.MatcherList.Predicate:
    matcher = CelMatcher()
    matcher.expr_match.cel_expr_parsed.CopyFrom(parsed)
    predicate = Matcher.MatcherList.Predicate()
    single = predicate.single_predicate
    single.input.name = "attributes"
    single.input.typed_config.Pack(HttpAttributesCelMatchInput(), deterministic=True)
    single.custom_match.name = "cel"
    single.custom_match.typed_config.Pack(matcher, deterministic=True)
    return predicate
