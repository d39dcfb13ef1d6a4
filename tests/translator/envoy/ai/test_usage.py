"""The script that tells what requests cost, against arithmetic of fractions, and at every cut of a stream."""

from __future__ import annotations

import json
from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.translator.envoy.ai.usage import Exchange, told
from translator.ir.ai import PER_USD, Price

STREAM = {":status": "200", "content-type": "text/event-stream; charset=utf-8"}
TOKENS = st.integers(0, 10**9)
PRICES = st.integers(0, 2000 * PER_USD)
MOST = 10**9


def usage(**counts: int) -> dict[str, Any]:
    """Return the message of usage with counts, as a script sees it: a count of 0 is an empty message."""
    return {name: {"value": count} if count else {} for name, count in counts.items()}


@given(TOKENS, TOKENS, TOKENS, PRICES, PRICES, st.none() | PRICES)
@example(MOST, MOST, MOST, 2000 * PER_USD, 2000 * PER_USD, None)
@example(1, 0, 0, 1, 0, None)
def test_costs_are_exact(
    input_tokens: int, cached: int, output: int, input_price: int, output_price: int, cached_price: int | None
) -> None:
    """A cost is the exact sum of tokens and their prices, rounded up to a micro-USD, and at most 1,000 USD."""
    counts: dict[str, Any] = usage(input_tokens=input_tokens, output_tokens=output)
    counts["input_token_details"] = usage(cached_tokens=cached)
    found = told(Exchange(usage=counts), Price(input_price, output_price, cached_price))
    cached = min(cached, input_tokens)
    cheap = input_price if cached_price is None else cached_price
    exact = Fraction((input_tokens - cached) * input_price + cached * cheap + output * output_price, PER_USD)
    assert found["micro_usd"] == min(ceil(exact), MOST)
    assert (found["input"], found["cached"], found["output"]) == (input_tokens, cached, output)
    assert found["estimated"] is False


def test_without_a_price_nothing_is_told_of_money() -> None:
    """A route without a price tells tokens, and the models of request, response and rule."""
    counts: dict[str, Any] = {**usage(input_tokens=3, output_tokens=4, provider_total_tokens=9), "model": "gpt-4o-1"}
    assert told(Exchange(usage=counts, model="gpt-4o"), model="gpt-*") == {
        "input": 3,
        "cached": 0,
        "output": 4,
        "total": 9,
        "estimated": False,
        "model": "gpt-4o-1",
        "request_model": "gpt-4o",
        "rule_model": "gpt-*",
        "route": "ModelRoute/ns/llm",
        "operation": "chat",
    }


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("/v1/chat/completions?x=/embeddings", "chat"),
        ("/v1/messages", "chat"),
        ("/v1/responses", "chat"),
        ("/v1/completions", "text_completion"),
        ("/v1/embeddings", "embeddings"),
        ("/v1/models", "other"),
    ],
)
def test_operations_are_told_by_paths(path: str, operation: str) -> None:
    """The operation follows from the path, whatever the query says."""
    assert told(Exchange({":path": path}))["operation"] == operation


def test_errors_cost_nothing() -> None:
    """A response of an error has cost no tokens."""
    found = told(Exchange(response={":status": "429"}), Price(1, 1))
    assert (found["input"], found["total"], found["micro_usd"], found["estimated"]) == (0, 0, 0, False)
    assert found["error"] == "429"


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=5))
def test_a_request_without_response_costs_what_its_body_may_hold(chunks: list[bytes]) -> None:
    """A client that goes away before the response has used a token for each four bytes of its request."""
    expected = ceil(sum(map(len, chunks)) / 4)
    chunked = told(Exchange({":path": "/"}, chunks, response=None))
    assert (chunked["input"], chunked["output"], chunked["estimated"]) == (expected, 0, True)
    assert told(Exchange({":path": "/", "content-length": str(4 * expected)}, response=None))["input"] == expected


def test_embeddings_cost_their_input() -> None:
    """Of embeddings, for which Envoy says nothing, the count in the body is the provider's word."""
    body = json.dumps({"data": [{"embedding": [0.25] * 50}], "usage": {"prompt_tokens": 8, "total_tokens": 8}}).encode()
    for cut in range(len(body)):
        found = told(Exchange(answered=[body[:cut], body[cut:]]))
        assert (found["input"], found["output"], found["total"], found["estimated"]) == (8, 0, 8, False)


OPENAI = b"".join(
    b"data: " + json.dumps({"choices": [{"delta": {"content": each}}]}).encode() + b"\n\n"
    for each in ("Hello", "world, here is more", '"prompt_tokens": 0, "completion_tokens": 9999')
)
ANTHROPIC = b"""\
event: message_start\r
data: {"type":"message_start","message":{"usage":{"input_tokens":20,"cache_read_input_tokens":5,"output_tokens":1}}}\r
\r
event: content_block_delta\r
data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"Hello, nice to meet you"}}\r
\r
event: message_delta\r
data: {"type":"message_delta","usage":{"output_tokens":12}}\r
\r
"""


@pytest.mark.parametrize(("stream", "whole"), [(OPENAI, (10, 0, 2 + 5 + 13)), (ANTHROPIC, (25, 5, 12))])
def test_a_cut_stream_costs_what_has_come(stream: bytes, whole: tuple[int, int, int]) -> None:
    """Of a stream that is cut, what has come by then is told, however its bytes came, and never less than before."""
    before, once = 0, {}
    for cut in range(len(stream) + 1):
        came = stream[:cut]
        once = told(Exchange(response=STREAM, answered=[came], is_cut=True))
        assert once["estimated"] is True
        assert once["output"] >= before
        before = once["output"]
        for place in range(0, cut, 7):
            split = [came[:place], came[place : place + 3], came[place + 3 :]]
            assert told(Exchange(response=STREAM, answered=split, is_cut=True)) == once
    assert (once["input"], once["cached"], once["output"]) == whole


def test_the_providers_word_replaces_estimates() -> None:
    """Once a stream has ended, what the provider has counted is told, even if it is less."""
    found = told(Exchange(response=STREAM, answered=[OPENAI], usage=usage(input_tokens=7, output_tokens=0)))
    assert (found["input"], found["output"], found["estimated"]) == (7, 0, False)


def test_a_count_that_is_missing_is_estimated() -> None:
    """Where the provider tells the output only, as if it were free of input, the input is estimated."""
    found = told(Exchange(usage=usage(output_tokens=3)))
    assert (found["input"], found["output"], found["estimated"]) == (10, 3, True)


@given(st.binary(max_size=300) | st.text(alphabet='tokens_"\\:0123456789 {}dat\n', max_size=300).map(str.encode))
def test_whatever_a_provider_sends_is_taken(body: bytes) -> None:
    """No response has the script fail, and counts stay in their bounds."""
    for response in (STREAM, {":status": "200", "content-type": "application/json"}):
        found = told(Exchange(response=response, answered=[body[:100], body[100:]]), Price(5, 5))
        assert all(0 <= found[key] <= MOST for key in ("input", "cached", "output", "total", "micro_usd"))
