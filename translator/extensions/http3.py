"""The unit `http3` of ListenerPolicies (RFC 9114)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from google.protobuf.message import Message

from headgate_proto.envoy.extensions.filters.http.header_mutation.v3.header_mutation_pb2 import HeaderMutation
from translator.envoy.durations import whole_seconds
from translator.envoy.hooks import HttpFiltersHook
from translator.envoy.http_filter import HttpFilter, Stage
from translator.extension import Extension, ListenerOutcome, PolicyContext, PolicyUnit
from translator.extensions.header_operations import Change
from translator.ir.listener import ListenerSetting
from translator.objects.headgate.http3 import Http3
from translator.objects.headgate.listenerpolicy import ListenerPolicy
from translator.outcome import Outcome

MAX_AGE_SECONDS: Final = 86_400
"""How long clients remember that HTTP/3 is there: the default of RFC 7838."""


@dataclass(frozen=True, slots=True)
class SpeaksHttp3(ListenerSetting, HttpFiltersHook):
    """Has a listener speak HTTP/3 too.

    Attributes:
        advertised_port: the port that clients are told; 0 for that of the listener.
        max_age: for how many seconds they remember it.
    """

    speaks_http3: ClassVar[bool] = True
    of_clients: ClassVar[bool] = True

    advertised_port: int
    max_age: int

    def http_filters(self) -> Iterator[HttpFilter]:
        """Yield the filter that tells clients of it, in every response."""
        yield HttpFilter(Stage.ALT_SVC, "headgate.alt_svc", self._header, disabled=False)

    def _header(self) -> Message:
        made = HeaderMutation()
        port = self.advertised_port or "%DOWNSTREAM_LOCAL_PORT%"
        # A backend's own header would send clients past the gateway, so it is set.
        change = Change("set", "alt-svc", f'h3=":{port}"; ma={self.max_age}')
        made.mutations.response_mutations.append(change.message())
        return made


def read(context: PolicyContext) -> ListenerOutcome:
    """Read whether HTTP/3 is spoken."""
    found = context.effective.value
    assert isinstance(found, Http3)
    if found.disable is not None:
        return Outcome(())
    max_age = MAX_AGE_SECONDS if found.max_age is None else whole_seconds(found.max_age)
    return Outcome((SpeaksHttp3(found.advertised_port or 0, max_age),))


EXTENSION = Extension(
    "HTTP/3",
    units=(PolicyUnit(ListenerPolicy, "http3", read, SpeaksHttp3, protocols=frozenset({"HTTPS"})),),
)
"""HTTP/3 beside the other versions."""
