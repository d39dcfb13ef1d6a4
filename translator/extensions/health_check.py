"""The path at which proxies say whether they take requests (Envoy's ``health_check``): a unit of ListenerPolicies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from headgate_proto.envoy.extensions.filters.http.health_check.v3.health_check_pb2 import HealthCheck
from translator.envoy.hooks import HttpFiltersHook
from translator.envoy.http_filter import HttpFilter, Stage
from translator.extension import Extension, ListenerOutcome, PolicyContext, PolicyUnit
from translator.gateway.protocols import OF_HTTP
from translator.ir.listener import ListenerSetting
from translator.objects.headgate.healthpath import HealthCheckPath
from translator.objects.headgate.listenerpolicy import ListenerPolicy
from translator.outcome import Outcome, Problem

NAME: Final = "envoy.filters.http.health_check"


@dataclass(frozen=True, slots=True)
class AnsweredPath(ListenerSetting, HttpFiltersHook):
    """A path that the proxy answers by itself."""

    of_clients: ClassVar[bool] = True
    path: str

    def http_filters(self) -> Iterator[HttpFilter]:
        """Yield the filter."""
        yield HttpFilter(Stage.HEALTH_CHECK, NAME, self._config, disabled=False)

    def _config(self) -> HealthCheck:
        made = HealthCheck()
        made.pass_through_mode.value = False
        matcher = made.headers.add(name=":path").string_match
        matcher.safe_regex.regex = rf"{re.escape(self.path)}(\?.*)?"
        return made


def read(context: PolicyContext) -> ListenerOutcome:
    """Read the effective path."""
    found = context.effective.value
    assert isinstance(found, HealthCheckPath)
    if found.disable is not None:
        return Outcome(())
    if found.path is None:
        text = f"{context.field}: has no path: write one, such as /healthz, or remove the field."
        return Outcome(None, (Problem("Accepted", "Invalid", text),))
    return Outcome((AnsweredPath(found.path),))


EXTENSION = Extension(
    "health checks of proxies",
    units=(PolicyUnit(ListenerPolicy, "http_settings.health_check", read, AnsweredPath, protocols=OF_HTTP),),
)
