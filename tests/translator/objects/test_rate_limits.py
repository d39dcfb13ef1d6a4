"""The rate limits that proxies hold by themselves: what is refused, and at which field."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from pydantic.alias_generators import to_snake

from translator.objects.headgate.locallimit import SHORTEST_FILL, LocalRateLimit

BUCKET = {"maxTokens": 10, "fillInterval": "1s"}
LIMIT = {"requests": 5, "unit": "Hour"}


def limits(**fields: Any) -> LocalRateLimit:
    """Return limits with these fields."""
    return LocalRateLimit.model_validate(fields)


def rule(**fields: Any) -> dict[str, Any]:
    """Return a rule with a limit."""
    return {"name": "one", "limit": LIMIT, **fields}


def selecting(**selector: Any) -> dict[str, Any]:
    """Return a rule with a selector."""
    return rule(clientSelectors=[selector])


def test_the_shortest_fill() -> None:
    """Envoy fills buckets in 50 ms at least."""
    found = limits(tokenBucket={**BUCKET, "fillInterval": f"{SHORTEST_FILL}ms"}).token_bucket
    assert found is not None
    assert found.fill_interval == SHORTEST_FILL
    with pytest.raises(ValidationError):
        limits(tokenBucket={**BUCKET, "fillInterval": f"{SHORTEST_FILL - 1}ms"})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"rules": []},
        {"disable": {}, "tokenBucket": BUCKET},
        {"tokenBucket": {**BUCKET, "maxTokens": 0}},
        {"tokenBucket": BUCKET, "statusCode": 200},
        {"tokenBucket": BUCKET, "percentEnforced": 101},
        {"rules": [rule(), rule()]},
        {"rules": [rule(limit={"requests": 0, "unit": "Hour"})]},
        {"rules": [rule(limit={"requests": 1, "unit": "Week"})]},
        {"rules": [rule(tokenBucket=BUCKET)]},
        {"rules": [{"name": "one"}]},
        {"rules": [selecting()]},
        {"rules": [selecting(headers=[{"name": "x"}])]},
        {"rules": [selecting(headers=[{"name": "x", "type": "Distinct", "exact": "a"}])]},
        {"rules": [selecting(headers=[{"name": "x", "type": "Distinct", "invert": True}])]},
        {"rules": [selecting(methods=["GET", "GET"])]},
        {"rules": [selecting(sourceCIDR={})]},
        {"rules": [selecting(sourceCIDR={"value": "10.0.0.0/33"})]},
        {"rules": [selecting(sourceCIDR={"value": "10.0.0.0/8", "type": "Distinct", "invert": True})]},
        {"phase": "BeforeAuth", "rules": [selecting(claims=[{"name": "sub", "type": "Distinct"}])]},
    ],
)
def test_what_is_refused(fields: Any) -> None:
    """Limits of nothing, contradictions, and values that Envoy does not have, are refused."""
    with pytest.raises(ValidationError):
        limits(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"disable": {}},
        {"tokenBucket": BUCKET, "percentEnabled": "0.5%", "phase": "BeforeAuth", "scope": "Route"},
        {"rules": [rule()]},
        {"rules": [selecting(headers=[{"name": "x", "prefix": "a", "invert": True}], methods=["GET"])]},
        {"rules": [selecting(headers=[{"name": "x", "type": "Distinct"}], path={"regex": "/a.*"})]},
        {"rules": [selecting(sourceCIDR={"type": "Distinct"}, queryParams=[{"name": "q", "exact": "a"}])]},
        {"rules": [selecting(claims=[{"name": "sub", "type": "Distinct"}])]},
    ],
)
def test_what_is_read(fields: Any) -> None:
    """Limits of all requests, of selected ones, and of each value are read."""
    assert limits(**fields).model_fields_set == {"limits" if each == "rules" else to_snake(each) for each in fields}
