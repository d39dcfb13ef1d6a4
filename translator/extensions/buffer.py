"""The unit `buffer` of TrafficPolicies: requests are kept until they are whole (Envoy's ``buffer`` filter)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from headgate_proto.envoy.extensions.filters.http.buffer.v3.buffer_pb2 import BufferPerRoute
from translator.envoy.filter_entries import FilterConfig
from translator.envoy.hooks import FilterHook
from translator.envoy.http_filters import BUFFER
from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.ir.http import RuleSetting
from translator.objects.headgate.timeouts import Buffer
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome


@dataclass(frozen=True, slots=True)
class RequestBuffer(RuleSetting, FilterHook):
    """Keeps requests of up to so many bytes until they are whole; longer ones get 413."""

    forwarding: ClassVar[bool] = True
    size: int

    @property
    def buffered_bytes(self) -> int:
        """The same: what is whole already can be tried again, whatever its length."""
        return self.size

    def filter_configs(self) -> Iterator[FilterConfig]:
        """Yield the size."""
        found = BufferPerRoute()
        found.buffer.max_request_bytes.value = self.size
        yield FilterConfig(BUFFER, found)


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective size."""
    found = context.effective.value
    assert isinstance(found, Buffer)
    return Outcome((RequestBuffer(found.max_request_size),) if found.max_request_size is not None else ())


EXTENSION = Extension("buffer", units=(PolicyUnit(TrafficPolicy, "buffer", read, RequestBuffer, inherit=TABLE),))
