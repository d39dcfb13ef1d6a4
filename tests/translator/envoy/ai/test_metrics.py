"""The metrics of AI traffic: what they are counted by, and how many there may be."""

from __future__ import annotations

import re

from headgate_proto.envoy.extensions.access_loggers.stats.v3.stats_pb2 import Config
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from translator.envoy.ai.metrics import MAX_COUNTERS, MAX_HISTOGRAMS, CountedTokens


def logger() -> Config:
    """Return the logger."""
    manager, found = HttpConnectionManager(), Config()
    CountedTokens().apply_to_connection_manager(manager)
    (log,) = manager.access_log
    assert log.typed_config.Unpack(found)
    return found


def test_time_series_are_bounded() -> None:
    """A proxy has so many time series of AI traffic, and makes no more."""
    scope = logger().stats_scope
    assert (scope.max_counters.value, scope.max_histograms.value) == (MAX_COUNTERS, MAX_HISTOGRAMS)


def test_no_label_is_a_word_of_clients() -> None:
    """Labels are what routes and clusters say: no header, path or body of a request is among them."""
    found = logger()
    stats = [*(each.stat for each in found.counters), *(each.stat for each in found.histograms)]
    labels = {tag.value_format for stat in stats for tag in stat.tags}
    allowed = r"input|cached|output|%DYNAMIC_METADATA\(headgate\.ai:(rule_model|route|operation)\)%"
    cluster = r"%CLUSTER_METADATA\(gateway\.headgate\.dev:provider\)%"
    assert all(re.fullmatch(f"{allowed}|{cluster}", each) for each in labels)
