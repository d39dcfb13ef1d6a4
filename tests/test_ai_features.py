"""Every feature of AI traffic that docs/ai/README.md tells of has golden cases, and live tests on a real Envoy."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).parent
README = HERE.parent / "docs" / "ai" / "README.md"


class Shown(NamedTuple):
    """Where a feature is shown: golden cases, and live tests as ``module::test``."""

    golden: tuple[str, ...]
    live: tuple[str, ...]


FEATURES = {
    "one OpenAI endpoint, with `/v1/models`": Shown(
        ("model_route/rules",),
        (
            "ai_models::test_the_list_of_models",
            "ai_oracle_apis::test_all_apis_answer",
            "ai_models_clients::test_openai",
        ),
    ),
    "Anthropic's API (Claude Code)": Shown(
        ("ai_backend/vendors",),
        (
            "ai_models_clients::test_anthropic",
            "ai_oracle_native::test_anthropics_client_gets_anthropic_as_it_is",
            "ai_oracle_native::test_anthropics_client_gets_texts_of_others",
        ),
    ),
    "routing by model and weight, models under other names": Shown(
        ("model_route/rules", "model_route/providers"),
        ("ai_models::test_the_most_specific_rule", "ai_oracle_apis::test_rules_share_by_weight"),
    ),
    "failover, also to a provider of another API, and where one says 429": Shown(
        ("ai_backend/failover",),
        (
            "ai_oracle_failover::test_before_the_first_byte_another_answers",
            "ai_providers_vendors::test_failover_across_apis",
        ),
    ),
    "models in place of others, default and forced fields": Shown(
        ("ai_backend/providers", "ai_policy/guard"),
        ("ai_oracle_failover::test_models_are_the_providers_own", "ai_guards::test_messages_and_fields"),
    ),
    "keys, AWS, Google Cloud, Azure": Shown(
        ("ai_backend/credentials",),
        (
            "ai_oracle_credentials::test_all_orders_of_three_failing_providers",
            "ai_providers_keys::test_a_signature_of_aws",
            "ai_providers_keys::test_a_token_of_google",
            "ai_providers_keys::test_a_token_of_azure",
        ),
    ),
    "embeddings, completions, sound, images": Shown(
        ("ai_backend/providers",),
        (
            "ai_oracle_apis::test_all_apis_answer",
            "ai_oracle_apis::test_sound_is_sent",
            "ai_oracle_apis::test_images_pass",
        ),
    ),
    "limits of tokens by user, model, header": Shown(
        ("ai_policy/limits",),
        ("ai_limits::test_limits_are_exact_within_the_last_request", "ai_oracle_limits::test_any_sequence_is_exact"),
    ),
    "limits of money, prices": Shown(
        ("ai_policy/limits", "model_route/providers"), ("ai_models_providers::test_what_models_cost",)
    ),
    "guards of prompts: reject, mask": Shown(
        ("ai_policy/guard",), ("ai_guards::test_rejections_in_the_shape_of_the_api", "ai_guards::test_masks")
    ),
    "messages before and after those of clients": Shown(("ai_policy/guard",), ("ai_guards::test_messages_and_fields",)),
    "who may use which model": Shown(
        ("ai_policy/models",),
        ("ai_guards::test_models_by_caller", "ai_models_denied::test_no_request_for_a_denied_model_passes"),
    ),
    "MCP: many servers as one, filters of tools, authorization by claims, OAuth": Shown(
        ("mcp/server", "mcp/servers", "mcp/policy", "mcp/oauth"),
        (
            "mcp_federation::test_tools_of_all",
            "mcp_policies::test_tools_that_there_are",
            "mcp_policies::test_rules",
            "mcp_policies::test_ways_round",
            "mcp_oauth::test_an_agent_logs_in_by_itself",
        ),
    ),
    "REST services as MCP tools": Shown(("mcp/openapi",), ("mcp_openapi::test_tools_are_operations",)),
    "A2A: cards, which methods may be called": Shown(
        ("a2a/agents",), ("a2a::test_messages_pass", "a2a::test_methods", "a2a::test_ways_round_a_forbidden_method")
    ),
    "InferencePool with an endpoint picker": Shown(
        ("inference/pool",),
        (
            "inference::test_it_follows_the_picker",
            "inference_reference::test_it_follows_the_reference_picker",
            "ai_models_pools::test_a_pool_of_a_model",
        ),
    ),
    "OpenTelemetry's names for AI in logs, spans and metrics": Shown(
        ("ai_policy/metrics",),
        (
            "ai_metrics::test_fields_of_access_logs",
            "ai_metrics::test_attributes_of_spans",
            "ai_metrics::test_metrics",
        ),
    ),
}


def rows() -> Iterator[str]:
    """Yield the features of the table."""
    table = README.read_text().partition("| Feature | Where |\n|---|---|\n")[2].partition("\n\n")[0]
    yield from (re.split(r" \| ", line.strip("| "))[0] for line in table.splitlines())


@cache
def live_tests(module: str) -> frozenset[str]:
    """Return the names of the tests of a module of live tests."""
    tree = ast.parse((HERE / "live" / f"test_{module}.py").read_text())
    return frozenset(each.name for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_feature_is_listed() -> None:
    """The table and the list have the same features."""
    assert [*rows()] == [*FEATURES]


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_is_shown(feature: str) -> None:
    """Each feature has golden cases and live tests that are there."""
    shown = FEATURES[feature]
    golden = HERE / "translator" / "golden"
    assert [each for each in shown.golden if not (golden / f"{each}.yaml").exists()] == []
    named = [each.partition("::") for each in shown.live]
    assert [test for module, _, test in named if test not in live_tests(module)] == []
