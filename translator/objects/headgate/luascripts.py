"""The unit `lua` of TrafficPolicies: scripts that see requests and responses, and change them."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field, StringConstraints

from translator.objects.headgate.filterentries import FilterStage, OneName, ends_all, object_violations
from translator.objects.headgate.responses import JsonObject
from translator.objects.headgate.types import Disableable
from translator.objects.schema.base import CelRule, Fields, FieldViolation, exactly_one
from translator.objects.schema.documentation import Doc, TypeName
from translator.objects.schema.merging import ATOMIC, ByKey
from translator.objects.schema.scalars import DataKey, ObjectName, PortName

MOST_SCRIPTS: Final = 4
"""How many scripts a request may pass of those of policies."""
MAX_SCRIPT_BYTES: Final = 64 * 1024
"""How long a script may be."""
LUA_KEY: Final = "lua"
"""The key of a ConfigMap in which a script is, unless another is named."""

_ONE: Final = "exactly one of inline, configMapRef and disable must be set"


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
            yield from object_violations("filterContext", self.filter_context)


ONE_SCRIPT: Final = OneName("lua", "script")
LuaScripts = Annotated[
    tuple[LuaScript, ...] | None,
    Field(max_length=MOST_SCRIPTS),
    AfterValidator(ONE_SCRIPT),
    ByKey("name", ends=ends_all),
]
"""Scripts, by their names."""
