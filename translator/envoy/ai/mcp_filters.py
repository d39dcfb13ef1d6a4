"""Envoy's filters that check requests of the Model Context Protocol: what they are configured with.

``mcp`` reads a request and tells its method and tool in the metadata of requests; what it cannot read gets 400. It
passes more than a policy may rely on: a script before it refuses JSON that servers may read in another way
(`request_filter`), and predicates name what is refused beside that (`unreadable`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from headgate_proto.envoy.extensions.filters.http.buffer.v3.buffer_pb2 import Buffer
from headgate_proto.envoy.extensions.filters.http.lua.v3.lua_pb2 import Lua
from headgate_proto.envoy.extensions.filters.http.mcp.v3.mcp_pb2 import Mcp
from headgate_proto.envoy.type.matcher.v3.value_pb2 import ValueMatcher
from translator.envoy.ai import script
from translator.envoy.lua_filter import lua_filter
from translator.envoy.predicates import Predicate, all_of, any_of, header, literals, metadata, negated

METADATA: Final = "envoy.filters.http.mcp"
"""The namespace of what the filter tells."""
MAX_REQUEST_BYTES: Final = 1024 * 1024
"""The longest request of an agent."""
MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
"""The longest answer of one of several servers."""
CALL: Final = "tools/call"
RESPONSE: Final = "__jsonrpc_response"
"""What the filter tells as the method of what is an answer of the agent to the server."""
SETTLING: Final = (
    "initialize",
    "logging/setLevel",
    "notifications/cancelled",
    "notifications/elicitation/complete",
    "notifications/initialized",
    "notifications/message",
    "notifications/progress",
    "notifications/roots/list_changed",
    "ping",
    "server/discover",
    "tools/list",
)
"""The methods by which agents find out what they may do, and that change nothing."""
OTHERS: Final = (
    "completion/complete",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "subscriptions/listen",
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tasks/update",
)
"""All other methods of the protocol, but calls of tools."""
IDENTITY: Final = "headgate.mcp.identity"
"""The namespace of who an agent is, and the name of the filter that tells it."""
TOOL_NAME: Final = "[A-Za-z0-9_./-]{1,128}"
"""The names of tools (MCP, SEP-986); servers may read others in several ways."""
NAMED: Final = {
    CALL: "params.name",
    "prompts/get": "params.name",
    "resources/read": "params.uri",
    "resources/subscribe": "params.uri",
    "resources/unsubscribe": "params.uri",
}
"""Where requests have what they name in the header ``Mcp-Name`` too."""
_TELLING: Final = ("result", "error")
"""What no request has: one that has it is an answer to some, and a request to others."""


@cache
def protocol_filter() -> Mcp:
    """Return the filter that reads requests; nobody changes it."""
    made = Mcp(
        traffic_mode=Mcp.REJECT_NO_MCP,
        request_storage_mode=Mcp.DYNAMIC_METADATA,
        attribute_source=Mcp.VERIFY,
    )
    made.reject_duplicate_keys.value = True
    made.max_request_body_size.value = MAX_REQUEST_BYTES
    for method in sorted((*SETTLING, *OTHERS, CALL)):
        rules = made.parser_config.methods.add(method=method).extraction_rules
        for each in (*filter(None, (NAMED.get(method),)), *_TELLING):
            rules.add(path=each)
    return made


@cache
def federating_filter() -> Mcp:
    """Return the filter that reads requests for the router of several servers; nobody changes it."""
    made = Mcp(traffic_mode=Mcp.REJECT_NO_MCP, request_storage_mode=Mcp.DYNAMIC_METADATA_AND_FILTER_STATE)
    made.reject_duplicate_keys.value = True
    made.max_request_body_size.value = MAX_REQUEST_BYTES
    return made


@cache
def several_filter() -> Lua:
    """Return the filter beside the router of several servers: it tells who an agent is, and mends lists of tools."""
    return _script("mcp_several")


@cache
def room_filter() -> Buffer:
    """Return the filter of a cluster that gives messages room: requests of routers have 64 KiB without it."""
    made = Buffer()
    made.max_request_bytes.value = MAX_ANSWER_BYTES
    return made


@cache
def server_filter() -> Lua:
    """Return the filter of the cluster of a server beside others: answers come to the router once they are whole."""
    return _script("mcp_server")


@cache
def rest_filter() -> Lua:
    """Return the filter before the bridge to services of HTTP."""
    return _script("mcp_rest", "json_places")


@cache
def request_filter() -> Lua:
    """Return the filter before the one that reads requests: it refuses what servers may read in another way."""
    return _script("mcp_request", "json_places")


def _script(name: str, *before: str) -> Lua:
    return lua_filter(f"headgate.{name}", "\n".join(map(script, (*before, name))))


def _method(names: Iterable[str]) -> Predicate:
    return metadata(METADATA, ("method",), _text(literals(sorted(names))))


def _text(regex: str) -> ValueMatcher:
    made = ValueMatcher()
    made.string_match.safe_regex.regex = regex
    return made


def is_call() -> Predicate:
    """Return whether a tool is called."""
    return _method((CALL,))


def settles() -> Predicate:
    """Return whether it is one of those that every agent sends; also an answer, and the end of a session."""
    return any_of((_method((*SETTLING, RESPONSE)), header(":method", "DELETE")))


def calls(patterns: Iterable[str]) -> Predicate:
    """Return whether one of some tools is called."""
    regex = "|".join(pattern_regex(each) for each in patterns)
    return all_of((is_call(), metadata(METADATA, ("params", "name"), _text(f"(?:{regex})"))))


def pattern_regex(pattern: str) -> str:
    """Return the regular expression of RE2 for a pattern of names."""
    return ".*".join(re.escape(each) for each in pattern.split("*"))


def pattern_of_lua(pattern: str) -> str:
    """Return Lua's pattern for a pattern of names."""
    return f"^{'.*'.join(re.sub(r'[^A-Za-z0-9_]', lambda found: f'%{found[0]}', each) for each in pattern.split('*'))}$"


def unreadable() -> Predicate:
    """Return whether a request is one that servers may read in another way than the filter."""
    post, stream = header(":method", "POST"), header(":method", "GET")
    present = ValueMatcher(present_match=True)
    unnamed = all_of((is_call(), negated(metadata(METADATA, ("params", "name"), _text(TOOL_NAME)))))
    known = _method((*SETTLING, *OTHERS, CALL, RESPONSE))
    named = any_of([header(name, ".*") for name in ("mcp-method", "mcp-name")])
    return any_of(
        [
            *(metadata(METADATA, (each,), present) for each in _TELLING),
            unnamed,
            all_of((post, negated(known))),
            all_of((post, negated(header("content-type", r"(?i)application/json\s*(?:;\s*charset=\"?utf-8\"?\s*)?")))),
            all_of((header("content-encoding", ".*"), negated(header("content-encoding", "(?i)identity")))),
            # The script before compares them with messages, and the filter does from this version on.
            all_of((negated(post), named, negated(header("mcp-protocol-version", "20(?:2[6-9]|[3-9][0-9])-.*")))),
            all_of((stream, any_of([header("content-length", "0*[1-9].*"), header("transfer-encoding", ".*")]))),
            all_of((stream, negated(header("accept", "(?i).*text/event-stream.*")))),
            *(header(name, ".*") for name in ("x-http-method-override", "x-http-method", "x-method-override")),
        ]
    )


def oauth_filter(context: dict[str, Any]) -> Lua:
    """Return the filter that answers with the metadata by which agents get tokens.

    Args:
        context: what the script is told (`mcp_oauth.lua`).
    """
    made = _script("mcp_oauth")
    made.filter_context.update(context)
    return made


def list_filter(context: dict[str, Any]) -> Lua:
    """Return the filter that leaves out of lists of tools those that an agent may not call.

    Args:
        context: what the script is told (`mcp_list.lua`).
    """
    made = _script("mcp_list")
    made.filter_context.update(context)
    return made
