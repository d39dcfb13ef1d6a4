"""Traces of the requests of listeners (``HttpConnectionManager.Tracing``): the unit `tracing` of ListenerPolicies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final

from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from translator.envoy.hooks import ConnectionManagerHook
from translator.extension import Extension, ListenerOutcome, PolicyContext, PolicyUnit
from translator.extensions.trace_attributes import write_attribute
from translator.extensions.trace_providers import Exporter, read_provider
from translator.extensions.trace_shares import ALL, shares
from translator.gateway.protocols import OF_HTTP
from translator.ir.backend import Backend
from translator.ir.listener import ListenerSetting, RouteConfigKey
from translator.objects.headgate.listenerpolicy import ListenerPolicy
from translator.objects.headgate.listenertracing import ListenerTracing
from translator.objects.headgate.types import MILLIONTHS_OF_PERCENT
from translator.outcome import Outcome, Problem
from translator.providers import ProviderContext

NO_PROVIDER: Final = (
    "is missing, so that nothing is traced: name one, here or in a policy of the Gateway, or remove the field."
)


@dataclass(frozen=True, slots=True)
class TracedListener(ListenerSetting, ConnectionManagerHook):
    """The traces of a listener.

    Attributes:
        asked: what policies say.
        exporter: where the spans go.
        service: the name of the Gateway in them.
    """

    of_routes: ClassVar[bool] = True
    asked: ListenerTracing
    exporter: Exporter
    service: str = ""

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The collector."""
        return (self.exporter.backend,)

    @property
    def for_routes(self) -> tuple[object, ...]:
        """The shares: in Envoy, those of a route with a `Tracing` of its own replace all of them."""
        found = shares(self.asked)
        return (found,) if found != ALL else ()

    def of_table(self, table: RouteConfigKey) -> TracedListener:
        """Return the traces of a Gateway."""
        namespace, _, name = table.gateway.partition("/")
        return replace(self, service=f"{name}.{namespace}")

    def apply_to_connection_manager(self, manager: HttpConnectionManager) -> None:
        """Write the ``Tracing``."""
        asked, made, found = self.asked, manager.tracing, shares(self.asked)
        made.client_sampling.value = found.client / MILLIONTHS_OF_PERCENT
        made.random_sampling.value = found.random / MILLIONTHS_OF_PERCENT
        made.overall_sampling.value = found.overall / MILLIONTHS_OF_PERCENT
        for attribute in asked.attributes or ():
            write_attribute(made.custom_tags.add(), attribute)
        made.operation, made.upstream_operation = asked.span_name or "", asked.upstream_span_name or ""
        made.spawn_upstream_span.value = bool(asked.spawn_upstream_span)
        made.verbose = bool(asked.verbose)
        if asked.max_path_tag_length is not None:
            made.max_path_tag_length.value = asked.max_path_tag_length
        made.provider.name, config = self.exporter.config(self.service)
        made.provider.typed_config.Pack(config, deterministic=True)


def read(context: PolicyContext) -> ListenerOutcome:
    """Read the effective tracing."""
    found = context.effective.value
    assert isinstance(found, ListenerTracing)
    if found.disable is not None:
        return Outcome(())
    if found.provider is None:
        return Outcome(None, (Problem("Accepted", "Invalid", f"{context.field}.provider: {NO_PROVIDER}"),))
    owner = context.origin("provider")
    exporter = read_provider(ProviderContext(context.db, owner, f"{context.field}.provider", found.provider))
    return Outcome((TracedListener(found, exporter.value),) if exporter.value is not None else None, exporter.problems)


EXTENSION = Extension(
    "traces of listeners",
    units=(PolicyUnit(ListenerPolicy, "http_settings.tracing", read, TracedListener, protocols=OF_HTTP),),
)
