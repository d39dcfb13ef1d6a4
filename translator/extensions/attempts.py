"""Settings of the attempts of a request, by which timeouts and retries know of each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from translator.envoy.cluster import http_options
from translator.envoy.hooks import ClusterHook
from translator.ir.backend import Backend, BackendSetting
from translator.ir.http import RuleSetting

BACKOFF_FACTOR: Final = 10
"""The longest pause between tries, in times of the shortest."""


class Repeated(RuleSetting):
    """Has requests that may have reached a backend tried again."""

    __slots__ = ()

    @property
    def attempts(self) -> int:
        """How often at most."""
        raise NotImplementedError

    @property
    def longest_backoff(self) -> int:
        """The longest pause between two attempts in milliseconds, as far as the rule says."""
        raise NotImplementedError


class LimitedAttempts(RuleSetting):
    """Limits the time of each attempt."""

    __slots__ = ()

    @property
    def backend_request(self) -> int:
        """How long one may take, until the end of its response, in milliseconds; 0 for as long as it likes."""
        raise NotImplementedError


def repeated(settings: Iterable[RuleSetting]) -> Repeated | None:
    """Return which of the settings of a rule has requests tried again."""
    return next((each for each in settings if isinstance(each, Repeated)), None)


def time_of_attempt(settings: Iterable[RuleSetting]) -> int:
    """Return how long each attempt may take by the settings of a rule, in milliseconds; 0 for as long as it likes."""
    return next((each.backend_request for each in settings if isinstance(each, LimitedAttempts)), 0)


@dataclass(frozen=True, slots=True)
class MaxStreamDuration(BackendSetting, ClusterHook):
    """How long one request to a backend may take, from its first byte until the last of the response."""

    milliseconds: int

    @property
    def fingerprint(self) -> str:
        """Return the number alone: clusters keep the names they have."""
        return str(self.milliseconds)

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write the ``HttpProtocolOptions``; a shorter limit of the backend's own stays."""
        with http_options(cluster) as options:
            longest = options.common_http_protocol_options.max_stream_duration
            longest.FromMilliseconds(min(self.milliseconds, longest.ToMilliseconds() or self.milliseconds))


def limited(backend: Backend, milliseconds: int) -> Backend:
    """Return a backend with a limit to how long each request to it may take, if it has no shorter one."""
    own = (each.milliseconds for each in backend.settings if isinstance(each, MaxStreamDuration))
    shortest = MaxStreamDuration(min((milliseconds, *own)))
    return replace(backend, settings=(*backend.settings, shortest))
