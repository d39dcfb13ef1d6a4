"""Scripts in Lua (Envoy's ``lua``): the unit `lua` of TrafficPolicies, where the operator allows it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from headgate_proto.envoy.extensions.filters.http.lua.v3.lua_pb2 import Lua as Filter
from translator.envoy import http_filters
from translator.envoy.filter_entries import FilterEntry
from translator.envoy.hooks import FilterHook
from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.extensions.filter_stages import BODY_BYTES, object_text, placed, too_many
from translator.gateway.config_maps import config_map_text
from translator.ir.http import RuleSetting
from translator.languages.lua import check_script, guarded
from translator.objects.headgate.filterentries import FilterStage
from translator.objects.headgate.luascripts import LUA_KEY, MAX_SCRIPT_BYTES, MOST_SCRIPTS, LuaScript
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.objects.kubernetes.core import ConfigMap
from translator.outcome import Outcome, Problem
from translator.refs import Ref

NAME: Final = "lua"
NOT_ALLOWED: Final = (
    "scripts can do all that the proxy can, and Headgate was started without --allow-lua: remove it, or have the "
    "operator allow it"
)


@dataclass(frozen=True, slots=True)
class Script:
    """A script.

    Attributes:
        name: its name; "" if it has none.
        owner: the namespace of the policy that it comes from.
        text: what Envoy gets.
        context: what it gets beside that: an object as JSON; "" for none.
        stage: where it runs, if that is said.
    """

    name: str
    owner: str
    text: str
    context: str = ""
    stage: FilterStage | None = None

    def config(self) -> Filter:
        """Return the whole configuration of its filter."""
        made = Filter()
        made.default_source_code.inline_string = self.text
        # The filters of a request are those of its first route: a script that wants another one says so.
        made.clear_route_cache.value = False
        # Without it, each route has a machine of its own; scripts of several namespaces share none, nor globals.
        made.shared_vm_id = f"{self.owner}/{blake2b(self.text.encode(), digest_size=16).hexdigest()}"
        if self.context:
            made.filter_context.update(json.loads(self.context))
        return made


@dataclass(frozen=True, slots=True)
class Scripts(RuleSetting, FilterHook):
    """Scripts that requests and responses pass, in their order."""

    scripts: tuple[Script, ...]

    @property
    def buffered_bytes(self) -> int:
        """How much of a body the proxy holds for a script that asks for it as a whole."""
        return BODY_BYTES

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the filter of each; of those in a slot with one weight, the first comes first."""
        return (placed(each.stage, http_filters.LUA, NAME, each.name, each.config()) for each in self.scripts)


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective scripts; None unless all of them can be had."""
    found: tuple[LuaScript, ...] = context.effective.value
    wanted = [each for each in found if each.disable is None]
    if not wanted:
        return Outcome(())
    if not context.db.settings.allow_lua:
        return Outcome(None, (Problem("Accepted", "NotAllowed", f"{context.field}: {NOT_ALLOWED}."),))
    if excess := too_many(context.field, wanted, MOST_SCRIPTS, "scripts"):
        return Outcome(None, excess)
    made: list[Script] = []
    problems: list[Problem] = []
    for each in wanted:
        source = _text(context, each)
        problems += source.problems
        owner = context.origin(_leaf(each)).namespace
        if source.value is not None:
            text, filter_context = guarded(source.value), object_text(each.filter_context)
            made.append(Script(each.name, owner, text, filter_context, each.filter_stage))
    return Outcome(None if problems else (Scripts(tuple(made)),), tuple(problems))


def _leaf(found: LuaScript) -> str:
    return f"[{found.name}]"


def _text(context: PolicyContext, found: LuaScript) -> Outcome[str | None]:
    """Return the text of a script that Envoy compiles."""
    field = f"{context.field}{_leaf(found)}"
    text: Outcome[str | None]
    if found.config_map_ref is None:
        text, field = Outcome(found.inline), f"{field}.inline"
    else:
        field = f"{field}.configMapRef"
        config_map = Ref(ConfigMap.kind, context.origin(_leaf(found)).namespace, found.config_map_ref.name)
        text = config_map_text(context.db, config_map, found.config_map_ref.key or LUA_KEY, MAX_SCRIPT_BYTES, field)
    if text.value is None:
        return text
    size = len(text.value.encode())
    fault = f"has {size} bytes, and {MAX_SCRIPT_BYTES} are the most: shorten it" if size > MAX_SCRIPT_BYTES else ""
    if fault := fault or check_script(text.value) or "":
        return Outcome(None, (Problem("Accepted", "Invalid", f"{field}: {fault}."),))
    return text


EXTENSION = Extension(
    "scripts in Lua",
    units=(PolicyUnit(TrafficPolicy, NAME, read, Scripts, closed=True, inherit=TABLE),),
)
"""The unit `lua`."""
