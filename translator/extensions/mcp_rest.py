"""Services of HTTP as MCP servers: what their routes do (Envoy's ``mcp_json_rest_bridge``)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar, Final

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from headgate_proto.envoy.extensions.filters.http.mcp_json_rest_bridge.v3 import mcp_json_rest_bridge_pb2
from translator.db import Db
from translator.envoy.ai.mcp_filters import MAX_REQUEST_BYTES, federating_filter, rest_filter
from translator.envoy.backend_routes import add_backend_filters
from translator.envoy.hooks import RouteHook
from translator.extensions.mcp_servers import READER, McpServer, write_target
from translator.gateway.config_maps import config_map_text
from translator.ir.backend import BackendSetting
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.languages.openapi import OpenApiError, Tool, tools_of
from translator.objects.headgate.mcpopenapi import MAX_SPEC_BYTES, MOST_TOOLS, SPEC_KEY, McpOpenApi, RestTool
from translator.objects.kubernetes.core import ConfigMap
from translator.outcome import Outcome, Problem
from translator.refs import Ref

PREPARATION: Final = "headgate.mcp.rest"
BRIDGE: Final = "headgate.mcp.bridge"
"""The names of the filters."""
PATH: Final = "/mcp"
"""The path of requests that the bridge takes (`mcp_rest.lua`)."""


@dataclass(frozen=True, slots=True)
class RestServer(BackendSetting):
    """A Backend of a service whose operations are tools.

    Attributes:
        tools: the tools.
        timeout: how long the service may be silent, in milliseconds.
        host: the Host of requests; "" for what they have.
    """

    for_clients_only: ClassVar[bool] = True
    routes_only: ClassVar[str] = McpServer.routes_only
    tools: tuple[Tool, ...]
    timeout: int
    host: str = ""

    def rule_settings(self, protocol: str) -> tuple[object, ...]:
        """Return what has calls of tools become requests."""
        return (ToRest(self.tools, self.timeout, self.host),)


@dataclass(frozen=True, slots=True)
class ToRest(RuleSetting, RouteHook):
    """Calls of tools become requests to a service, and its answers results.

    Attributes:
        tools: the tools.
        timeout: how long the service may be silent, in milliseconds.
        host: the Host of requests; "" for what they have.
    """

    forwarding: ClassVar[bool] = True
    own_route: ClassVar[bool] = True
    alpha: ClassVar[bool] = True
    tools: tuple[Tool, ...]
    timeout: int
    host: str = ""

    @property
    def is_final(self) -> bool:
        """It is: the path is that of the tool."""
        return True

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``McpJsonRestBridge`` into the slot of backends, behind the reader of the protocol."""
        write_target(route, self.timeout, self.host)
        filters = ((PREPARATION, rest_filter()), (READER, federating_filter()), (BRIDGE, self._bridge()))
        add_backend_filters(route, filters)

    def _bridge(self) -> mcp_json_rest_bridge_pb2.McpJsonRestBridge:
        made = mcp_json_rest_bridge_pb2.McpJsonRestBridge(disable_clear_route_cache=True)
        made.max_request_body_size.value = MAX_REQUEST_BYTES
        made.max_response_body_size.value = MAX_REQUEST_BYTES
        made.tool_config.tool_list_local.SetInParent()
        made.tool_config.default_server_info.path = PATH
        for each in self.tools:
            tool = made.tool_config.tools.add(name=each.name)
            tool.tool_list_config.description, tool.tool_list_config.input_schema = each.description, each.schema
            setattr(tool.http_rule, each.method.lower(), each.path)
            tool.http_rule.body = each.body
            for header, argument in each.headers:
                tool.http_rule.bindings.add(
                    type=mcp_json_rest_bridge_pb2.HttpRule.ParameterBinding.HEADER,
                    name=header,
                    argument_path=argument,
                )
        return made


def read_tools(db: Db, ref: Ref, found: McpOpenApi, prefix: str, field: str) -> Outcome[tuple[Tool, ...]]:
    """Return the tools of a service, without those that cannot be any; none if there are none.

    Args:
        db: the database.
        ref: the Backend.
        found: what it says of them.
        prefix: what their paths begin with.
        field: its path, for messages.
    """
    if found.tools is not None:
        return Outcome(tuple(_written(each, prefix) for each in found.tools))
    assert found.spec_ref is not None
    where, reference = f"{field}.specRef", found.spec_ref
    config_map = Ref(ConfigMap.kind, ref.namespace, reference.name)
    text = config_map_text(db, config_map, reference.key or SPEC_KEY, MAX_SPEC_BYTES, where)
    if text.value is None:
        return Outcome((), text.problems)
    try:
        tools, faults = tools_of(text.value)
    except OpenApiError as error:
        return Outcome((), (_invalid(f"{where}: the document {error}; correct it."),))
    problems = [_invalid(f"{where}: {each}; it is left out.") for each in faults[:3]]
    if len(faults) > 3:
        problems.append(_invalid(f"{where}: {len(faults) - 3} more operations are left out."))
    if len(tools) > MOST_TOOLS:
        problems.append(_invalid(f"{where}: there are {len(tools)} tools, of which {MOST_TOOLS} count."))
    if not tools:
        problems.append(_invalid(f"{where}: no operation has an operationId, so that there is no tool; add some."))
    placed = tuple(each._replace(path=prefix + each.path) for each in tools[:MOST_TOOLS])
    return Outcome(placed, tuple(problems))


def _written(found: RestTool, prefix: str) -> Tool:
    headers = tuple((each.name, each.argument) for each in found.headers or ())
    tool = Tool(
        found.name, found.description or found.name, found.method, prefix + found.path, found.body or "", headers
    )
    return tool if found.input_schema is None else tool._replace(schema=json.dumps(found.input_schema))


def _invalid(text: str) -> Problem:
    return Problem("Accepted", "Invalid", text)
