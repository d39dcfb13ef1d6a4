"""Changes of the headers of all requests and responses of a listener: units of ListenerPolicies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from headgate_proto.envoy.extensions.filters.http.header_mutation.v3.header_mutation_pb2 import HeaderMutation
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from translator.envoy.hooks import ConnectionManagerHook, HttpFiltersHook
from translator.envoy.http_filter import HttpFilter, Stage
from translator.extension import Extension, ListenerOutcome, PolicyContext, PolicyUnit
from translator.extensions.header_operations import Fault, Mutations, change_early, read_changes
from translator.gateway.protocols import OF_HTTP
from translator.ir.listener import ListenerSetting
from translator.objects.headgate.headers import HeaderOperations
from translator.objects.headgate.listenerpolicy import ListenerPolicy
from translator.outcome import Outcome, Problem

LATE: Final = "headgate.late_headers"
"""The name of the filter of responses: it is the first of the list, so the last that sees them."""


@dataclass(frozen=True, slots=True)
class EarlyHeaders(ListenerSetting, ConnectionManagerHook):
    """Changes of the headers of requests before anything else reads them."""

    of_clients: ClassVar[bool] = True
    changes: Mutations

    def apply_to_connection_manager(self, manager: HttpConnectionManager) -> None:
        """Add an early ``HeaderMutation``."""
        change_early(manager, self.changes)


@dataclass(frozen=True, slots=True)
class LateHeaders(ListenerSetting, HttpFiltersHook):
    """Changes of the headers of responses after everything else, those of the proxy's own responses too."""

    of_clients: ClassVar[bool] = True
    changes: Mutations

    def http_filters(self) -> Iterator[HttpFilter]:
        """Yield the filter."""
        yield HttpFilter(Stage.LATE_HEADERS, LATE, self._config, disabled=False)

    def _config(self) -> HeaderMutation:
        made = HeaderMutation()
        made.mutations.response_mutations.extend(each.message() for each in self.changes)
        return made


def _changes(context: PolicyContext, direction: str) -> Outcome[Mutations | None]:
    found = context.effective.value
    assert isinstance(found, HeaderOperations)
    changes = tuple(read_changes(direction, found))
    faults = [each for each in changes if isinstance(each, Fault)]
    problems = tuple(Problem("Accepted", "Invalid", f"{context.field}.{each.path}: {each.text}.") for each in faults)
    return Outcome(None if faults else tuple(each for each in changes if not isinstance(each, Fault)), problems)


def read_early(context: PolicyContext) -> ListenerOutcome:
    """Read the effective changes of headers of requests."""
    found = _changes(context, "request")
    return Outcome((EarlyHeaders(found.value),) if found.value is not None else None, found.problems)


def read_late(context: PolicyContext) -> ListenerOutcome:
    """Read the effective changes of headers of responses."""
    found = _changes(context, "response")
    return Outcome((LateHeaders(found.value),) if found.value is not None else None, found.problems)


EXTENSION = Extension(
    "headers of listeners",
    units=(
        PolicyUnit(
            ListenerPolicy, "http_settings.early_request_header_modifier", read_early, EarlyHeaders, protocols=OF_HTTP
        ),
        PolicyUnit(
            ListenerPolicy, "http_settings.late_response_header_modifier", read_late, LateHeaders, protocols=OF_HTTP
        ),
    ),
)
