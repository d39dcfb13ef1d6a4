"""The unit `ai` of TrafficPolicies: guards of prompts, what requests get in addition, and who may ask which model.

Guards are a script of the proxy's, which knows no regular expressions: they come to it as automata, which take one step
for each byte. An expression that has none of a bounded size is refused here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from translator.envoy.ai.client_errors import ErrorsOfModels
from translator.envoy.ai.guard import guard_filters
from translator.envoy.ai.model_filters import GUARD_WEIGHT
from translator.envoy.filter_entries import FilterEntry, SlotFilter
from translator.envoy.hooks import FilterHook
from translator.envoy.http_filters import AI
from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.extensions.ai_access import AllowedModels, access_faults, read_access
from translator.ir.http import RuleSetting
from translator.languages.automata import compile_search, to_json
from translator.languages.expressions import ExpressionError
from translator.objects.headgate.promptguards import (
    AIPolicy,
    GuardResponse,
    PromptEnrichment,
    PromptMessage,
    RegexGuard,
    RequestGuard,
)
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome, Problem

UNIT: Final = "ai"
FILTERS_OF_GUARD: Final = 3
"""How many filters a guard is: their weights are one behind the other."""
BODY_BYTES: Final = 1024 * 1024
"""How long requests may be where a policy does not say it."""
MAX_GUARD_BYTES: Final = 256 * 1024
"""How long the guards of a route may be together, as the proxy gets them."""
MASK: Final = "<MASKED>"
BUILTINS: Final = {
    "Email": ("<EMAIL>", r"[A-Za-z0-9._%+\-]+@(?:[A-Za-z0-9\-]+\.)+[A-Za-z]{2,63}\b"),
    "CreditCard": (
        "<CREDIT_CARD>",
        r"\b(?:3[47]\d{2}[ \-]?\d{6}[ \-]?\d{5}"
        r"|(?:4\d{3}|5[1-5]\d{2}|2[2-7]\d{2}|6011|65\d{2}|64[4-9]\d)(?:[ \-]?\d{4}){3})\b",
    ),
    "SSN": (
        "<SSN>",
        r"\b(?:00[1-9]|0[1-9]\d|[1-578]\d{2}|6(?:[0-57-9]\d|6[0-57-9]))[ \-](?:0[1-9]|[1-9]\d)"
        r"[ \-](?:000[1-9]|00[1-9]\d|0[1-9]\d{2}|[1-9]\d{3})\b",
    ),
    "Phone": (
        "<PHONE>",
        r"(?:\+\d{1,3}[ .\-]?)?(?:\(\d{2,4}\) ?|\b\d{2,4}[ .\-])\d{3,4}[ .\-]\d{3,4}\b"
        r"|\+\d{1,3}(?:[ .\-]?\d{2,4}){2,5}\b",
    ),
}
"""What is put in place of what is found, and the expression that finds it; what is told best comes first."""


@dataclass(frozen=True, slots=True)
class GuardedPrompts(RuleSetting, FilterHook):
    """Requests are looked at, and changed.

    Attributes:
        program: what the script is to do, as JSON.
        held: how many bytes of a request the proxy holds.
    """

    program: str
    held: int

    @property
    def buffered_bytes(self) -> int:
        """The bytes of a request that the proxy holds."""
        return self.held

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the script, before what reads the model, and errors that clients read."""
        for place, (name, config) in enumerate(guard_filters(self.program, self.held)):
            yield SlotFilter(AI, name, config, GUARD_WEIGHT + FILTERS_OF_GUARD - place)
        yield from ErrorsOfModels().filter_configs()


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective policy."""
    found = context.effective.value
    assert isinstance(found, AIPolicy)
    if found.disable is not None:
        return Outcome(())
    faults = [*access_faults(context, found.models)] if found.models is not None else []
    held = found.max_bytes or BODY_BYTES
    program = _program(found, held, f"{context.field}", faults)
    text = json.dumps(program, ensure_ascii=False, separators=(",", ":"))
    if len(text.encode()) > MAX_GUARD_BYTES:
        faults.append(
            f"{context.field}: its guards are too long together: as the proxy gets them they have at most "
            f"{MAX_GUARD_BYTES} bytes; use fewer or shorter expressions."
        )
    if faults:
        return Outcome(None, tuple(Problem("Accepted", "Invalid", each) for each in faults))
    settings: list[RuleSetting] = []
    if len(program) > 1:
        settings.append(GuardedPrompts(text, held))
    if found.models is not None:
        settings.append(read_access(context, found.models))
    return Outcome(tuple(settings))


def _program(found: AIPolicy, held: int, field: str, faults: list[str]) -> dict[str, Any]:
    """Return what the script is to do: nothing but its limit if there is nothing."""
    guards = (found.prompt_guard.request or ()) if found.prompt_guard is not None else ()
    prompt = found.prompt or PromptEnrichment()
    made = {
        "guards": [_guard(each, f"{field}.promptGuard.request[{place}]", faults) for place, each in enumerate(guards)],
        "prepend": _messages(prompt.prepend or ()),
        "append": _messages(prompt.append or ()),
        "defaults": found.defaults or {},
        "overrides": found.overrides or {},
    }
    return {"limit": held} | {name: each for name, each in made.items() if each}


def _messages(found: Sequence[PromptMessage]) -> list[dict[str, str]]:
    return [{"role": each.role, "content": each.content} for each in found]


def _guard(found: RequestGuard, field: str, faults: list[str]) -> dict[str, Any]:
    regex = found.regex
    mask = regex.action == "Mask"
    answer = regex.response or GuardResponse()
    patterns = list(_patterns(regex, mask, f"{field}.regex", faults))
    return {"patterns": patterns, "mask": mask, "status": answer.status, "message": answer.message}


def _patterns(found: RegexGuard, mask: bool, field: str, faults: list[str]) -> Iterator[dict[str, Any]]:
    wanted = [(f"{field}.matches[{place}]", MASK, each) for place, each in enumerate(found.matches or ())]
    wanted += [(field, *each) for name, each in BUILTINS.items() if name in (found.builtins or ())]
    for place, by, text in wanted:
        try:
            search = compile_search(text)
        except ExpressionError as error:
            faults.append(f"{place}: {error}.")
            continue
        backward = {"backward": to_json(search.backward), "by": by} if mask else {}
        yield {"forward": to_json(search.forward)} | backward


EXTENSION = Extension(
    "ai_guard",
    units=(PolicyUnit(TrafficPolicy, UNIT, read, (GuardedPrompts, AllowedModels), closed=True, inherit=TABLE),),
)
