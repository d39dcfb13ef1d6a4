"""What clients may ask agents for: the unit `a2a` of TrafficPolicies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from translator.envoy.ai.a2a_filters import methods_filter
from translator.envoy.filter_entries import FilterEntry, SlotFilter
from translator.envoy.hooks import FilterHook
from translator.envoy.http_filters import AGENTS
from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.ir.http import RuleSetting
from translator.objects.headgate.a2apolicies import A2aPolicy
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome

NAME: Final = "headgate.a2a"
WEIGHT: Final = 50
MOST_MESSAGE_BYTES: Final = 1024 * 1024
"""The longest message to an agent whose method is checked."""


@dataclass(frozen=True, slots=True)
class AgentMethods(RuleSetting, FilterHook):
    """Requests have to call one of some methods.

    Attributes:
        allowed: the methods.
        place: among those that are enforced in addition to what more specific policies say; None for these.
    """

    allowed: tuple[str, ...]
    place: int | None = None

    @property
    def buffered_bytes(self) -> int:
        """A message is read whole."""
        return MOST_MESSAGE_BYTES

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the filter, with a name of its own beside those of other settings."""
        own = "" if self.place is None else f".{self.place}"
        yield SlotFilter(AGENTS, f"{NAME}{own}", methods_filter(self.allowed), WEIGHT)


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective methods."""
    found = context.effective.value
    assert isinstance(found, A2aPolicy)
    if found.disable is not None or found.methods is None:
        return Outcome(())
    return Outcome((AgentMethods(found.methods.allow, context.place),))


EXTENSION = Extension(
    "A2A",
    units=(PolicyUnit(TrafficPolicy, "a2a", read, AgentMethods, closed=True, inherit=TABLE, enforced_beside=True),),
)
"""The unit `a2a` of TrafficPolicies."""
