"""Retry attempts of requests that may have reached a backend, shared by retries and timeouts."""

from __future__ import annotations

from translator.objects.gateway_api.httproute import HTTPRouteRule


def attempts(rule: HTTPRouteRule) -> int:
    """How often a request that may have reached a backend is tried again."""
    return rule.retry.attempts if rule.retry is not None else 0


BACKOFF_FACTOR = 10
"""The longest pause between tries, in times of the shortest."""
