"""The metrics of the web application firewall."""

from __future__ import annotations

from headgate.waf.inspection import Match, Verdict
from headgate.waf.metrics import MOST_RULES, WafMetrics


def test_series_are_bounded() -> None:
    """So many rules have series of their own; the matches of others are added up."""
    metrics = WafMetrics(lambda: 1, lambda: 0)
    for rule in range(MOST_RULES + 5):
        metrics.inspected(Verdict(403, (Match(rule, 2, "", ""), Match(rule, 2, "", ""))))
    series = "headgate_waf_rule_matches_total"
    assert metrics.registry.get_sample_value(series, {"rule": "0"}) == 1
    assert metrics.registry.get_sample_value(series, {"rule": str(MOST_RULES)}) is None
    assert metrics.registry.get_sample_value(series, {"rule": "(others)"}) == 5
