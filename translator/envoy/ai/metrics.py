"""The metrics of AI traffic, which a listener's logger counts when a request has ended (`stats` access logger).

Their labels are the operator's words: what rules match, not what clients say, so that nobody makes up time series. And
there is a limit of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Final

from headgate_proto.envoy.config.accesslog.v3.accesslog_pb2 import AccessLog
from headgate_proto.envoy.extensions.access_loggers.stats.v3.stats_pb2 import Config
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from translator.api_group import GROUP
from translator.envoy.ai.usage import NAMESPACE
from translator.envoy.hooks import ConnectionManagerHook
from translator.ir.listener import ListenerSetting

MAX_COUNTERS: Final = 10_000
"""How many time series of counters a proxy has of AI traffic; what comes later is not counted."""
MAX_HISTOGRAMS: Final = 1_000
"""The same of histograms, each of which has many buckets."""
PREFIX: Final = "gen_ai"


def told(key: str) -> str:
    """Return the format of what is told of a request (`translator.envoy.ai.usage`)."""
    return f"%DYNAMIC_METADATA({NAMESPACE}:{key})%"


LABELS: Final[Mapping[str, str]] = {
    "model": told("rule_model"),
    "provider": f"%CLUSTER_METADATA({GROUP}:provider)%",
    "route": told("route"),
}
"""The labels of all metrics: the model, or pattern, of the rule, the provider by its name in its Backend, the route."""
TOKENS: Final = ("input", "cached", "output")
"""What tokens are counted apart; cached ones are among the input."""
FIRST_BYTE: Final = "%COMMON_DURATION(DS_RX_BEG:US_RX_BODY_BEG:ms)%"


@dataclass(frozen=True, slots=True)
class CountedTokens(ListenerSetting, ConnectionManagerHook):
    """A listener counts what models use, as the routes of its Gateway go to some."""

    of_routes: ClassVar[bool] = True

    def apply_to_connection_manager(self, manager: HttpConnectionManager) -> None:
        """Add the logger, beside the logs that there are."""
        manager.access_log.append(_logger())


@cache
def _logger() -> AccessLog:
    config = Config()
    config.stats_scope.prefix = PREFIX
    config.stats_scope.max_counters.value = MAX_COUNTERS
    config.stats_scope.max_histograms.value = MAX_HISTOGRAMS
    config.counters.extend(_counters())
    config.histograms.extend(_histograms())
    made = AccessLog(name="envoy.access_loggers.stats")
    made.typed_config.Pack(config, deterministic=True)
    # Only what went to a model is told of: other requests cost one look at their metadata.
    matcher = made.filter.metadata_filter.matcher
    matcher.filter = NAMESPACE
    matcher.path.add().key = "operation"
    matcher.value.present_match = True
    made.filter.metadata_filter.match_if_key_not_found.value = False
    return made


def _counters() -> Iterator[Config.Counter]:
    for each in TOKENS:
        yield Config.Counter(stat=_stat("tokens", {"type": each, **LABELS}), value_format=told(each))
    yield Config.Counter(stat=_stat("cost_micro_usd", LABELS), value_format=told("micro_usd"))


def _histograms() -> Iterator[Config.Histogram]:
    labels = {"operation": told("operation"), **LABELS}
    for name, value in (("operation_duration", "%DURATION%"), ("time_to_first_byte", FIRST_BYTE)):
        yield Config.Histogram(stat=_stat(name, labels), unit=Config.Histogram.Milliseconds, value_format=value)


def _stat(name: str, labels: Mapping[str, str]) -> Config.Stat:
    made = Config.Stat(name=name)
    for label, value in labels.items():
        made.tags.add(name=label, value_format=value)
    return made
