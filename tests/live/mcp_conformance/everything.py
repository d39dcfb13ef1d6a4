"""What the conformance suite of the Model Context Protocol asks of a server: its tools, resources and prompts.

The suite's scenarios say what each returns (`conformance list --server`, npm @modelcontextprotocol/conformance).
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError

Context = ServerRequestContext[Any]
Tool = Callable[[Context, dict[str, Any]], Awaitable[list[Any]]]

PAUSE = 0.05
"""Seconds between notifications of a tool, as the suite asks."""
PNG = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
        "0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
    )
).decode()
WAV = base64.b64encode(
    b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\0\0\0\0"
).decode()
EMPTY: dict[str, Any] = {"type": "object", "properties": {}}
OPTIONS = ["option1", "option2", "option3"]


def _text(text: str) -> types.TextContent:
    return types.TextContent(type="text", text=text)


def _image() -> types.ImageContent:
    return types.ImageContent(type="image", data=PNG, mime_type="image/png")


def _embedded(uri: str, text: str, mime_type: str) -> types.EmbeddedResource:
    return types.EmbeddedResource(
        type="resource", resource=types.TextResourceContents(uri=uri, text=text, mime_type=mime_type)
    )


def _fixed(*content: Any) -> Tool:
    async def answer(_context: Context, _arguments: dict[str, Any]) -> list[Any]:
        return list(content)

    return answer


async def _logging(context: Context, _arguments: dict[str, Any]) -> list[Any]:
    for index, each in enumerate(("Tool execution started", "Tool processing data", "Tool execution completed")):
        if index:
            await asyncio.sleep(PAUSE)
        await context.session.send_log_message("info", each, related_request_id=context.request_id)
    return [_text("Logged three times.")]


async def _progress(context: Context, _arguments: dict[str, Any]) -> list[Any]:
    for done in (0, 50, 100):
        await context.session.report_progress(done, 100)
        await asyncio.sleep(PAUSE)
    return [_text("Done.")]


async def _failing(_context: Context, _arguments: dict[str, Any]) -> list[Any]:
    raise ValueError("This tool intentionally returns an error for testing")


async def _sampling(context: Context, arguments: dict[str, Any]) -> list[Any]:
    asked = types.SamplingMessage(role="user", content=_text(str(arguments["prompt"])))
    found = await context.session.create_message([asked], max_tokens=100, related_request_id=context.request_id)
    content = found.content
    return [_text(f"LLM response: {content.text if isinstance(content, types.TextContent) else content}")]


def _eliciting(says: str, properties: dict[str, Any], required: list[str], message: str = "") -> Tool:
    async def answer(context: Context, arguments: dict[str, Any]) -> list[Any]:
        schema = {"type": "object", "properties": properties, "required": required}
        text = message or str(arguments["message"])
        found = await context.session.elicit_form(text, schema, related_request_id=context.request_id)
        return [_text(f"{says}: action={found.action}, content={json.dumps(found.content)}")]

    return answer


async def _reconnection(context: Context, _arguments: dict[str, Any]) -> list[Any]:
    """Close the stream in the middle of the call: the client asks for the rest."""
    if context.close_sse_stream is not None:
        await context.close_sse_stream()
    await asyncio.sleep(PAUSE)
    return [_text("Reconnected.")]


def _titled(prefix: str, title: str) -> list[dict[str, str]]:
    return [{"const": f"{prefix}{i}", "title": f"{each} {title}"} for i, each in enumerate(("First", "Second"), 1)]


_PERSON = {"username": {"type": "string", "description": "User's response"}, "email": {"type": "string"}}
_DEFAULTS = {
    "name": {"type": "string", "default": "John Doe"},
    "age": {"type": "integer", "default": 30},
    "score": {"type": "number", "default": 95.5},
    "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
    "verified": {"type": "boolean", "default": True},
}
_ENUMS = {
    "untitledSingle": {"type": "string", "enum": OPTIONS},
    "titledSingle": {"type": "string", "oneOf": _titled("value", "Option")},
    "legacyEnum": {"type": "string", "enum": ["opt1", "opt2"], "enumNames": ["Option One", "Option Two"]},
    "untitledMulti": {"type": "array", "items": {"type": "string", "enum": OPTIONS}},
    "titledMulti": {"type": "array", "items": {"anyOf": _titled("value", "Choice")}},
}
_ADDRESS = {"type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}
_DIALECT = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"address": _ADDRESS},
    "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
    "additionalProperties": False,
}
_MIXED = '{"test":"data","value":123}'
_SIMPLE = "This is a simple text response for testing."
_PLACED = "This is an embedded resource content."


def _one(name: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}


TOOLS: dict[str, tuple[Tool, dict[str, Any]]] = {
    "test_simple_text": (_fixed(_text(_SIMPLE)), EMPTY),
    "test_image_content": (_fixed(_image()), EMPTY),
    "test_audio_content": (_fixed(types.AudioContent(type="audio", data=WAV, mime_type="audio/wav")), EMPTY),
    "test_embedded_resource": (_fixed(_embedded("test://embedded-resource", _PLACED, "text/plain")), EMPTY),
    "test_multiple_content_types": (
        _fixed(
            _text("Multiple content types test:"),
            _image(),
            _embedded("test://mixed-content-resource", _MIXED, "application/json"),
        ),
        EMPTY,
    ),
    "test_tool_with_logging": (_logging, EMPTY),
    "test_tool_with_progress": (_progress, EMPTY),
    "test_error_handling": (_failing, EMPTY),
    "test_sampling": (_sampling, _one("prompt")),
    "test_elicitation": (_eliciting("User response", _PERSON, ["username", "email"]), _one("message")),
    "test_elicitation_sep1034_defaults": (_eliciting("Elicitation completed", _DEFAULTS, [], "Defaults?"), EMPTY),
    "test_elicitation_sep1330_enums": (_eliciting("Elicitation completed", _ENUMS, [], "Enums?"), EMPTY),
    "test_reconnection": (_reconnection, EMPTY),
    "json_schema_2020_12_tool": (_fixed(_text("Valid.")), _DIALECT),
}


async def _list_tools(_context: Context, _params: Any) -> types.ListToolsResult:
    made = [types.Tool(name=name, description=name, input_schema=schema) for name, (_, schema) in TOOLS.items()]
    return types.ListToolsResult(tools=made)


async def _call_tool(context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
    if params.name not in TOOLS:
        raise MCPError(code=types.INVALID_PARAMS, message=f"Unknown tool: {params.name}")
    try:
        return types.CallToolResult(content=await TOOLS[params.name][0](context, params.arguments or {}))
    except ValueError as error:
        return types.CallToolResult(content=[_text(str(error))], is_error=True)


async def _list_resources(_context: Context, _params: Any) -> types.ListResourcesResult:
    uris = {"test://static-text": "text/plain", "test://static-binary": "image/png", "test://watched-resource": None}
    made = [types.Resource(uri=uri, name=uri.partition("//")[2], mime_type=kind) for uri, kind in uris.items()]
    return types.ListResourcesResult(resources=made)


async def _list_templates(_context: Context, _params: Any) -> types.ListResourceTemplatesResult:
    made = types.ResourceTemplate(uri_template="test://template/{id}/data", name="data", mime_type="application/json")
    return types.ListResourceTemplatesResult(resource_templates=[made])


async def _read(_context: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    uri = str(params.uri)
    if uri == "test://static-binary":
        return types.ReadResourceResult(contents=[types.BlobResourceContents(uri=uri, blob=PNG, mime_type="image/png")])
    if uri.startswith("test://template/"):
        found = uri.split("/")[3]
        data = {"id": found, "templateTest": True, "data": f"Data for ID: {found}"}
        text, kind = json.dumps(data), "application/json"
    elif uri in ("test://static-text", "test://watched-resource"):
        text, kind = "This is the content of the static text resource.", "text/plain"
    else:
        raise MCPError(code=types.INVALID_PARAMS, message=f"Unknown resource: {uri}")
    return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, text=text, mime_type=kind)])


PROMPTS: dict[str, list[str]] = {
    "test_simple_prompt": [],
    "test_prompt_with_arguments": ["arg1", "arg2"],
    "test_prompt_with_embedded_resource": ["resourceUri"],
    "test_prompt_with_image": [],
}


def _argument(name: str) -> types.PromptArgument:
    return types.PromptArgument(name=name, description=name, required=True)


async def _list_prompts(_context: Context, _params: Any) -> types.ListPromptsResult:
    made = [
        types.Prompt(name=name, description=name, arguments=[_argument(each) for each in arguments])
        for name, arguments in PROMPTS.items()
    ]
    return types.ListPromptsResult(prompts=made)


async def _get_prompt(_context: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
    given = params.arguments or {}
    made: dict[str, list[Any]] = {
        "test_simple_prompt": [_text("This is a simple prompt for testing.")],
        "test_prompt_with_arguments": [
            _text(f"Prompt with arguments: arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'")
        ],
        "test_prompt_with_embedded_resource": [
            _embedded(given.get("resourceUri", "test://x"), "Embedded resource content for testing.", "text/plain"),
            _text("Please process the embedded resource above."),
        ],
        "test_prompt_with_image": [_image(), _text("Please analyze the image above.")],
    }
    if params.name not in made:
        raise MCPError(code=types.INVALID_PARAMS, message=f"Unknown prompt: {params.name}")
    return types.GetPromptResult(
        messages=[types.PromptMessage(role="user", content=each) for each in made[params.name]]
    )


async def _nothing(_context: Context, _params: Any) -> types.EmptyResult:
    return types.EmptyResult()


async def _complete(_context: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
    values = [each for each in ("paris", "park", "party") if each.startswith(params.argument.value)]
    return types.CompleteResult(completion=types.Completion(values=values, total=len(values), has_more=False))


def everything(name: str) -> Server[Any]:
    """Return a server of that name with all that the suite asks for."""
    return Server(
        name,
        version="1",
        on_list_tools=_list_tools,
        on_call_tool=_call_tool,
        on_list_resources=_list_resources,
        on_list_resource_templates=_list_templates,
        on_read_resource=_read,
        on_subscribe_resource=_nothing,
        on_unsubscribe_resource=_nothing,
        on_list_prompts=_list_prompts,
        on_get_prompt=_get_prompt,
        on_completion=_complete,
        on_set_logging_level=_nothing,
    )
