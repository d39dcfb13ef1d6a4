"""Services of HTTP as MCP servers: which of their operations are tools."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StringConstraints

from translator.objects.headgate.filterentries import object_violations
from translator.objects.headgate.responses import JsonObject
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, exactly_one, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.header_names import ChangeableHeader
from translator.objects.schema.scalars import PATH_TEMPLATE, TOOL_ARGUMENT, TOOL_BODY, TOOL_NAME, DataKey, ObjectName

MOST_TOOLS: Final = 128
"""The most tools of a service."""
MOST_BOUND_HEADERS: Final = 16
"""The most headers that arguments of a tool are."""
MAX_SPEC_BYTES: Final = 1024 * 1024
"""The longest document of OpenAPI."""
SPEC_KEY: Final = "openapi.json"
"""The key of a ConfigMap in which a document is, unless another is named."""

_AGAIN: Final = "is there twice: remove one of them"
Argument = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=TOOL_ARGUMENT)]


class RestHeader(Fields):
    """A header that is an argument of a tool."""

    name: Annotated[ChangeableHeader, Doc(envoy="HttpRule.ParameterBinding.name")]
    """The header."""
    argument: Annotated[Argument, Doc(envoy="HttpRule.ParameterBinding.argument_path")]
    """The argument."""


class RestTool(CheckedFields):
    """A tool that is an operation of a service."""

    name: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=TOOL_NAME)],
        Doc(envoy="ToolConfig.name"),
    ]
    """Its name."""
    description: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None,
        Doc(envoy="ToolsListSpecificConfig.description"),
    ] = None
    """What it does: agents choose by that."""
    method: Annotated[Literal["GET", "POST", "PUT", "PATCH", "DELETE"], Doc(envoy="HttpRule")]
    """The method of its request."""
    path: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=PATH_TEMPLATE)], Doc(envoy="HttpRule")
    ]
    """The path of its request, in which `{name}` stands for an argument. Those that are nowhere else are parameters of
    the query."""
    body: Annotated[
        Annotated[str, StringConstraints(max_length=128, pattern=TOOL_BODY)] | None,
        Doc(envoy="HttpRule.body"),
    ] = None
    """The argument that is the body, as JSON; `*` for all that are not in the path. By default there is none."""
    headers: Annotated[
        tuple[RestHeader, ...] | None,
        Field(min_length=1, max_length=MOST_BOUND_HEADERS),
        unique("name", _AGAIN),
    ] = None
    """Arguments that are headers."""
    input_schema: Annotated[
        JsonObject | None, Doc(envoy="ToolsListSpecificConfig.input_schema", default="any object")
    ] = None
    """The JSON Schema of its arguments, an object."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of a schema that is too long, or no JSON."""
        if self.input_schema is not None:
            yield from object_violations("inputSchema", self.input_schema)


class SpecReference(Fields):
    """A key of a ConfigMap of the same namespace."""

    name: ObjectName
    """The name of the ConfigMap."""
    key: DataKey | None = None
    """The key in its `data` or `binaryData`, of at most 1 MiB. By default `openapi.json`."""


class McpOpenApi(CheckedFields):
    """Which operations of a service are tools."""

    one_of: ClassVar[tuple[tuple[str, ...], ...]] = (("tools", "spec_ref"),)
    rules: ClassVar[tuple[CelRule, ...]] = (exactly_one("tools", "specRef"),)

    tools: Annotated[
        tuple[RestTool, ...] | None, Field(min_length=1, max_length=MOST_TOOLS), unique("name", _AGAIN)
    ] = None
    """The tools, one by one."""
    spec_ref: Annotated[SpecReference | None, Doc(envoy="ServerToolConfig.tools")] = None
    """A document of OpenAPI 3, as JSON: each operation with an operationId is a tool of that name."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one member is set."""
        if (self.tools is None) == (self.spec_ref is None):
            yield FieldViolation((), f"{self.rules[0].message}: add it, or remove the other")
