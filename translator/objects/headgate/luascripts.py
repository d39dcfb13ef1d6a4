"""The unit `lua` of TrafficPolicies: scripts that see requests and responses, and change them."""

import json
from collections.abc import Iterator
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field, StringConstraints

from translator.objects.headgate.filterentries import FilterStage, OneName, ends_all
from translator.objects.headgate.responses import MOST_LEVELS, JsonObject, is_json
from translator.objects.headgate.types import Disableable
from translator.objects.schema.base import CelRule, Fields, FieldViolation, exactly_one
from translator.objects.schema.documentation import Doc, TypeName
from translator.objects.schema.merging import ATOMIC, ByKey
from translator.objects.schema.scalars import DataKey, ObjectName, PortName

MOST_SCRIPTS: Final = 4
"""How many scripts a request may pass of those of policies."""
MAX_SCRIPT_BYTES: Final = 64 * 1024
"""How long a script may be."""
MAX_CONTEXT_BYTES: Final = 16 * 1024
"""How long the context of a script may be, as JSON."""
LUA_KEY: Final = "lua"
"""The key of a ConfigMap in which a script is, unless another is named."""

_ONE: Final = "exactly one of inline, configMapRef and disable must be set"
_TOO_LONG: Final = f"must be at most {MAX_CONTEXT_BYTES} bytes of JSON"


class ScriptConfigMap(Fields):
    """A key of a ConfigMap of the same namespace."""

    name: ObjectName
    """The name of the ConfigMap."""
    key: DataKey | None = None
    """The key in its `data` or `binaryData`, of at most 64Ki. By default `lua`."""


class LuaScript(Disableable):
    """A script in Lua that sees requests and responses, and changes them."""

    one_of: ClassVar[tuple[tuple[str, ...], ...]] = (("inline", "config_map_ref"),)
    rules: ClassVar[tuple[CelRule, ...]] = (exactly_one("inline", "configMapRef", "disable", message=_ONE),)
    beside_disable: ClassVar[frozenset[str]] = frozenset({"name"})

    name: Annotated[PortName, Doc(envoy="HttpFilter.name")] = ""
    """Its name, by which more specific policies replace it or switch it off. One entry may be without a name; with
    `disable` it switches off all of less specific policies."""
    inline: Annotated[
        str | None,
        StringConstraints(min_length=1, max_length=MAX_SCRIPT_BYTES),
        TypeName("Lua script"),
        Doc(envoy="Lua.default_source_code"),
    ] = None
    """The script. It defines `envoy_on_request(handle)`, `envoy_on_response(handle)`, or both."""
    config_map_ref: Annotated[ScriptConfigMap | None, ATOMIC, Doc(envoy="Lua.default_source_code")] = None
    """A key of a ConfigMap that holds the script."""
    filter_context: Annotated[JsonObject | None, Doc(envoy="Lua.filter_context")] = None
    """A JSON object that the script gets by `handle:filterContext()`. It is no place for secrets."""
    filter_stage: FilterStage | None = None
    """Where in the order of filters it runs."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of no script or two, and of a context that is too long, or no JSON for Envoy."""
        yield from super().violations()
        members = {"inline": self.inline, "configMapRef": self.config_map_ref, "disable": self.disable}
        given = [name for name, value in members.items() if value is not None]
        if len(given) != 1 and not (self.disable is not None and given):
            yield FieldViolation((), f"{_ONE}; set are: {', '.join(given)}" if given else _ONE)
        if self.filter_context is not None:
            yield from context_violations(self.filter_context)


def context_violations(found: JsonObject) -> Iterator[FieldViolation]:
    """Yield violations of an object that is too long, too deep, or has numbers that Envoy does not keep."""
    if not is_json(found, MOST_LEVELS) or not _has_exact_numbers(found):
        text = f"must be JSON of at most {MOST_LEVELS} levels, with whole numbers up to 2^53: leave some out"
        yield FieldViolation(("filterContext",), text)
        return
    size = len(json.dumps(found, ensure_ascii=False).encode())
    if size > MAX_CONTEXT_BYTES:
        yield FieldViolation(("filterContext",), f"{_TOO_LONG}, not {size}: shorten it")


def _has_exact_numbers(found: object) -> bool:
    if isinstance(found, dict):
        return all(map(_has_exact_numbers, found.values()))
    if isinstance(found, list):
        return all(map(_has_exact_numbers, found))
    return not isinstance(found, int) or abs(found) <= 2**53


ONE_SCRIPT: Final = OneName("lua", "script")
LuaScripts = Annotated[
    tuple[LuaScript, ...] | None,
    Field(max_length=MOST_SCRIPTS),
    AfterValidator(ONE_SCRIPT),
    ByKey("name", ends=ends_all),
]
"""Scripts, by their names."""
