"""The selectors of expressions of PromQL, as Prometheus' own parser finds them."""

from __future__ import annotations

import promql_parser as promql


def selectors(expression: str) -> list[promql.VectorSelector]:
    """Return the selectors of an expression."""
    found: list[promql.VectorSelector] = []

    def collect(node: promql.Expr) -> bool:
        if isinstance(node, promql.VectorSelector):
            found.append(node)
        return True

    promql.walk(promql.parse(expression), collect)
    return found
