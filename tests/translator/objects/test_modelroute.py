"""ModelRoutes: what is refused, and at which field."""

from __future__ import annotations

from typing import Any

import pytest

from tests.translator.objects.written import errors, raw, valid
from translator.objects.headgate.modelroute import ModelRoute

REF = "backendRefs: [{name: a, port: 80}]"
RULE = f"{{{REF}}}"


def model_route(rules: str, rest: str = "") -> dict[str, Any]:
    """Return a ModelRoute with these rules."""
    return {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "ModelRoute",
        "metadata": {"name": "a"},
        "spec": raw(f"{{rules: [{rules}]{rest}}}"),
    }


def models(written: str) -> dict[str, Any]:
    """Return a ModelRoute whose only rule has these models."""
    return model_route(f"{{models: [{written}], {REF}}}")


@pytest.mark.parametrize(
    ("manifest", "error"),
    [
        (model_route(""), "spec.rules"),
        (model_route("{}"), "spec.rules[0].backendRefs"),
        (model_route("{backendRefs: []}"), "spec.rules[0].backendRefs"),
        (model_route("{backendRefs: [{name: a}]}"), "spec.rules[0].backendRefs[0].port: is required for a Service"),
        (model_route("{backendRefs: [{name: a, port: 80, weight: -1}]}"), "spec.rules[0].backendRefs[0].weight"),
        (models("''"), "spec.rules[0].models[0]"),
        (models("'*'"), "spec.rules[0].models[0]: must be the name of a model"),
        (models("'a*b'"), "spec.rules[0].models[0]: must be the name of a model"),
        (models("'a b'"), "spec.rules[0].models[0]: must be the name of a model"),
        (models("a, b, a"), "spec.rules[0].models[2]: is in the list already"),
        (model_route(f"{{name: a, {REF}}}, {{name: a, {REF}}}"), "spec.rules[1].name: is the name of an earlier rule"),
        (model_route(RULE, ", pathPrefix: v1"), "spec.pathPrefix: must be a path"),
        (model_route(RULE, ", pathPrefix: /v1/"), "spec.pathPrefix: must be a path"),
        (model_route(RULE, ", pathPrefix: /a//b"), "spec.pathPrefix: must be a path"),
        (model_route(RULE, ", pathPrefix: /a/.."), "spec.pathPrefix: must be a path"),
        (
            model_route(f"{{{REF}, timeouts: {{request: 1s, backendRequest: 2s}}}}"),
            "spec.rules[0].timeouts.backendRequest: must not be longer than request",
        ),
    ],
)
def test_what_is_no_model_route(manifest: dict[str, Any], error: str) -> None:
    """What cannot be served is refused, at its field."""
    assert any(error in each for each in errors(manifest)), errors(manifest)


def test_the_most() -> None:
    """As many rules and models as there may be are taken, and one more is not."""
    many = [f"m{number}" for number in range(65)]
    for most, most_models, weight, fits in ((64, 64, 1_000_000, True), (65, 1, 1, False), (1, 65, 1, False)):
        rule = f"{{models: {many[:most_models]}, backendRefs: [{{name: a, port: 80, weight: {weight}}}]}}"
        assert (not errors(model_route(", ".join([rule] * most)))) is fits
    assert errors(model_route("{backendRefs: [{name: a, port: 80, weight: 1000001}]}"))
    assert errors(model_route("{backendRefs: [{name: a, port: 80, priority: 16}]}"))
    assert not errors(model_route("{backendRefs: [{name: a, port: 80, priority: 15}]}"))


@pytest.mark.parametrize(
    ("written", "millionths"),
    [("2", 2_000_000), ("'0.15'", 150_000), ("'2000.000000'", 2_000_000_000), ("'0.000001'", 1), ("0", 0)],
)
def test_prices(written: str, millionths: int) -> None:
    """Prices are whole numbers or decimals in strings, exact to a millionth."""
    found = valid(ModelRoute, model_route(f"{{price: {{input: {written}, output: 1}}, {REF}}}"))
    price = found.spec.rules[0].price
    assert price is not None
    assert price.input == millionths
    for wrong in ("-1", "2001", "'2000.1'", "0.5", "'1e3'", "'0.0000001'", "'1,5'", "true"):
        assert errors(model_route(f"{{price: {{input: {wrong}, output: 1}}, {REF}}}")), wrong


def test_defaults() -> None:
    """Without more, a ModelRoute serves /v1, and its models are in the list."""
    found = valid(ModelRoute, models("a, gpt-*, 'org/own:latest'"))
    assert (found.spec.path_prefix, found.spec.rules[0].hidden) == ("/v1", False)
    assert found.spec.rules[0].models == ("a", "gpt-*", "org/own:latest")
