"""Shared libraries (Envoy's ``dynamic_modules``): the unit `dynamicModule` of TrafficPolicies, of what is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from google.protobuf.wrappers_pb2 import StringValue

from headgate_proto.envoy.extensions.filters.http.dynamic_modules.v3.dynamic_modules_pb2 import DynamicModuleFilter
from translator.envoy.filter_entries import FilterEntry
from translator.envoy.hooks import FilterHook
from translator.envoy.http_filters import DYNAMIC_MODULES
from translator.envoy.named_chains import passed_chain
from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.extensions.filter_stages import BODY_BYTES, object_text, too_many
from translator.ir.http import RuleSetting
from translator.objects.headgate.dynamicmodules import MOST_LIBRARIES, DynamicModule
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome, Problem

FIELD: Final = "dynamic_module"
KEY: Final = "dynamic_modules"
"""The key of the trace in the metadata of a request."""


@dataclass(frozen=True, slots=True)
class Library:
    """A filter of a shared library.

    Attributes:
        name: the name of the library.
        path: where it is in the proxy.
        filter_name: which of its filters it is.
        config: what it is configured by: JSON; "" for nothing.
    """

    name: str
    path: str
    filter_name: str
    config: str = ""

    def filter(self) -> DynamicModuleFilter:
        """Return its filter."""
        made = DynamicModuleFilter(filter_name=self.filter_name)
        made.dynamic_module_config.module.local.filename = self.path
        # Threads that it has started, and what it has registered, must not lose its code.
        made.dynamic_module_config.do_not_close = True
        if self.config:
            made.filter_config.Pack(StringValue(value=self.config), deterministic=True)
        return made


@dataclass(frozen=True, slots=True)
class Libraries(RuleSetting, FilterHook):
    """Filters of shared libraries that requests and responses pass, in their order."""

    libraries: tuple[Library, ...]

    @property
    def buffered_bytes(self) -> int:
        """How much of a body the proxy holds for a library that waits for the whole."""
        return BODY_BYTES

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the chain, whose name is by its content, and that requests must have passed it."""
        chain, passage = passed_chain(DYNAMIC_MODULES, KEY, (each.filter() for each in self.libraries))
        yield from chain
        yield passage


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective libraries; None unless all of them are allowed."""
    found: tuple[DynamicModule, ...] = context.effective.value
    wanted = [each for each in found if each.disable is None]
    if not wanted:
        return Outcome(())
    if excess := too_many(context.field, wanted, MOST_LIBRARIES, "libraries"):
        return Outcome(None, excess)
    allowed = dict(sorted(context.db.settings.dynamic_modules))
    others = [each.name for each in wanted if each.name not in allowed]
    if problems := tuple(_not_allowed(f"{context.field}[{each}]", allowed) for each in others):
        return Outcome(None, problems)
    return Outcome((Libraries(tuple(_library(each, allowed[each.name]) for each in wanted)),))


def _not_allowed(field: str, allowed: dict[str, str]) -> Problem:
    known = f"allowed are: {', '.join(allowed)}" if allowed else "none is allowed"
    text = f"{field}: is no library of --dynamic-modules, and {known}: remove it, or have the operator allow it."
    return Problem("Accepted", "NotAllowed", text)


def _library(found: DynamicModule, path: str) -> Library:
    return Library(found.name, path, found.filter_name or "", object_text(found.config))


EXTENSION = Extension(
    "shared libraries",
    units=(PolicyUnit(TrafficPolicy, FIELD, read, Libraries, closed=True, inherit=TABLE, discovered=DYNAMIC_MODULES),),
)
"""The unit `dynamicModule`."""
