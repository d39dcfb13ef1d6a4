"""Units of ListenerPolicies that each are an option of Envoy's ``HttpConnectionManager``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from translator.envoy.hooks import ConnectionManagerHook
from translator.extension import ListenerOutcome, PolicyContext, PolicyUnit
from translator.gateway.protocols import OF_HTTP
from translator.ir.listener import ListenerSetting
from translator.objects.headgate.listenerpolicy import ListenerPolicy
from translator.outcome import Outcome

Write = Callable[[HttpConnectionManager, Any], None]


@dataclass(frozen=True, slots=True)
class ManagerOption(ListenerSetting, ConnectionManagerHook):
    """The effective value of a field of `httpSettings`; a subclass says how each of its fields is written.

    Attributes:
        writers: by the name of a field of the model, what writes its value.
        field: the name of the field.
        value: its value.
    """

    writers: ClassVar[Mapping[str, Write]]
    field: str
    value: Any

    def apply_to_connection_manager(self, manager: HttpConnectionManager) -> None:
        """Write the option."""
        self.writers[self.field](manager, self.value)


def option_units(setting: type[ManagerOption]) -> tuple[PolicyUnit, ...]:
    """Return a unit for each field that a class of options writes, in the order in which it writes them."""
    return tuple(
        PolicyUnit(ListenerPolicy, f"http_settings.{field}", partial(_read, setting, field), setting, protocols=OF_HTTP)
        for field in setting.writers
    )


def _read(setting: type[ManagerOption], field: str, context: PolicyContext) -> ListenerOutcome:
    return Outcome((setting(field, context.effective.value),))
