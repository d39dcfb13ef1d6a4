"""Documents of OpenAPI 3 as tools of agents: pure, and within limits.

An operation with an operationId is a tool. Its parameters are arguments: those of the path and of the query by their
names, those of headers too. A body of JSON is the argument `body`. What cannot be a tool is left out, with the reason.

Source: https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

METHODS: Final = ("get", "put", "post", "patch", "delete")
BODY: Final = "body"
MAX_SCHEMA_BYTES: Final = 1024 * 1024
"""The most characters of all schemas of a document together: what they refer to is in each of them."""
MOST_STEPS: Final = 1_000
"""The most schemas that a tool has of others."""
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_ARGUMENT: Final = re.compile(r"[A-Za-z0-9_$-]{1,128}")
_PATH: Final = re.compile(r"/(?:[-A-Za-z0-9/._~!$&'()*+,;=:@{}]|%[0-9a-fA-F]{2})*")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SCHEMAS: Final = "#/components/schemas/"


class Tool(NamedTuple):
    """A tool.

    Attributes:
        name: its name.
        description: what it does.
        method: the method of its request.
        path: the path, in which ``{name}`` stands for an argument.
        body: the argument that is the body; ``*`` for all that are not in the path, "" for none.
        headers: headers, each with the argument that it is.
        schema: the JSON Schema of its arguments, as JSON.
    """

    name: str
    description: str
    method: str
    path: str
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    schema: str = '{"type":"object"}'


class OpenApiError(ValueError):
    """A document that is none."""


def tools_of(text: str) -> tuple[tuple[Tool, ...], tuple[str, ...]]:
    """Return the tools of a document, in its order, and why operations are none, in clauses.

    Raises:
        OpenApiError: the text is no document of OpenAPI 3, with the reason as a clause.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise OpenApiError("is no JSON") from error
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3."):
        raise OpenApiError("is no document of OpenAPI 3: openapi has to be 3.x")
    paths = document.get("paths")
    if not isinstance(paths, dict):
        raise OpenApiError("has no paths")
    found, faults, prefix, left = dict[str, Tool](), list[str](), _prefix(document), MAX_SCHEMA_BYTES
    for path, method, item, operation in _operations(paths):
        try:
            tool = _tool(document, prefix + path, method, item, operation)
            left -= len(tool.schema)  # that of a tool that is there already has been made, too
            if tool.name in found and left >= 0:
                raise OpenApiError("has the operationId of another one")
        except OpenApiError as error:
            faults.append(f"{method.upper()} {path} {error}")
            continue
        if left < 0:
            faults.insert(0, f"{method.upper()} {path}, with all that follows, has schemas of more than 1 MiB together")
            break
        found[tool.name] = tool
    return tuple(found.values()), tuple(faults)


def _operations(paths: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]]:
    """Yield the operations with an operationId: the path, the method, the item of the path and the operation."""
    for path, item in paths.items():
        for method in METHODS:
            operation = item.get(method) if isinstance(item, dict) else None
            if isinstance(operation, dict) and "operationId" in operation:
                yield path, method, item, operation


def _prefix(document: Mapping[str, Any]) -> str:
    """Return the path of the first server; its host is not looked at: where the service is, the Backend says."""
    servers = document.get("servers")
    first = servers[0] if isinstance(servers, list) and servers else None
    url = first.get("url") if isinstance(first, dict) else None
    try:
        path = urlsplit(url).path if isinstance(url, str) else ""
    except ValueError:
        return ""
    return path.rstrip("/")


def _tool(
    document: Mapping[str, Any], path: str, method: str, item: Mapping[str, Any], operation: Mapping[str, Any]
) -> Tool:
    name = operation["operationId"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise OpenApiError("has an operationId that no tool can have: letters, digits and _.- only")
    if not _PATH.fullmatch(path):
        raise OpenApiError("has a path with characters that no URL has")
    properties, required, headers = dict[str, Any](), list[str](), list[tuple[str, str]]()
    for parameter in _parameters(document, item, operation):
        _add(parameter, properties, required, headers)
    body = _body(document, operation, properties, required)
    missing = sorted(set(re.findall(r"{([^{}]*)}", path)) - properties.keys())
    if missing:
        raise OpenApiError(f"has no parameter for {missing[0]!r} of its path")
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    definitions = _definitions(document, schema)
    if definitions:
        schema["$defs"] = definitions
    text = json.dumps(schema, ensure_ascii=False, separators=(",", ":")).replace(_SCHEMAS, "#/$defs/")
    said = next((each for key in ("description", "summary") if isinstance(each := operation.get(key), str)), name)
    return Tool(name, said, method.upper(), path, body, tuple(headers), text)


def _parameters(
    document: Mapping[str, Any], item: Mapping[str, Any], operation: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    """Yield the parameters of an operation; its own go before those of its path."""
    found: dict[tuple[Any, Any], Mapping[str, Any]] = {}
    for each in (*_listed(item), *_listed(operation)):
        parameter = _resolved(document, each)
        found[str(parameter.get("name")), str(parameter.get("in"))] = parameter
    yield from found.values()


def _listed(found: Mapping[str, Any]) -> list[Any]:
    listed = found.get("parameters", [])
    if not isinstance(listed, list):
        raise OpenApiError("has parameters that are no list")
    return listed


def _add(
    parameter: Mapping[str, Any], properties: dict[str, Any], required: list[str], headers: list[tuple[str, str]]
) -> None:
    name, place = parameter.get("name"), parameter.get("in")
    if place == "cookie":
        if parameter.get("required"):
            raise OpenApiError("needs a cookie, which no agent has")
        return
    if not isinstance(name, str) or not _ARGUMENT.fullmatch(name):
        raise OpenApiError(f"has a parameter {name!r}, whose name no argument can have")
    if name in properties:
        raise OpenApiError(f"has two parameters {name!r}")
    schema = parameter.get("schema")
    properties[name] = dict(schema) if isinstance(schema, dict) else {}
    if isinstance(said := parameter.get("description"), str) and "$ref" not in properties[name]:
        properties[name].setdefault("description", said)
    if parameter.get("required") or place == "path":
        required.append(name)
    if place == "header":
        if not _HEADER.fullmatch(name):
            raise OpenApiError(f"has a header {name!r}, which is none")
        headers.append((name.lower(), name))


def _body(
    document: Mapping[str, Any], operation: Mapping[str, Any], properties: dict[str, Any], required: list[str]
) -> str:
    if "requestBody" not in operation:
        return ""
    found = _resolved(document, operation["requestBody"])
    content = found.get("content")
    media = content.get("application/json") if isinstance(content, dict) else None
    if not isinstance(media, dict):
        if found.get("required"):
            raise OpenApiError("needs a body that is no application/json")
        return ""
    if BODY in properties:
        raise OpenApiError(f"has a parameter {BODY!r} beside its body")
    schema = media.get("schema")
    properties[BODY] = schema if isinstance(schema, dict) else {}
    # Envoy refuses calls without the argument.
    required.append(BODY)
    return BODY


def _resolved(document: Mapping[str, Any], found: Any) -> Mapping[str, Any]:
    """Follow references within the document."""
    for _ in range(8):
        if not isinstance(found, dict):
            break
        if "$ref" not in found:
            return found
        found = _pointed(document, found["$ref"])
    raise OpenApiError("has a reference that leads nowhere, or out of the document")


def _pointed(document: Any, reference: Any) -> Any:
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return None
    for each in reference[2:].split("/"):
        step = each.replace("~1", "/").replace("~0", "~")
        document = document.get(step) if isinstance(document, dict) else None
    return document


def _definitions(document: Mapping[str, Any], schema: Any) -> dict[str, Any]:
    """Return the schemas of the document that a schema refers to, also by others."""
    found: dict[str, Any] = {}
    left = [schema]
    while left:
        value = left.pop()
        if isinstance(value, list):
            left += value
        elif isinstance(value, dict):
            left += value.values()
            if isinstance(reference := value.get("$ref"), str) and reference not in found:
                found[reference] = _referred(document, reference)
                left.append(found[reference])
                if len(found) > MOST_STEPS:
                    raise OpenApiError(f"has a schema of too many others: more than {MOST_STEPS}")
    return {each.removeprefix(_SCHEMAS): found[each] for each in sorted(found)}


def _referred(document: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    """Return the schema of the document that a reference names."""
    name = reference.removeprefix(_SCHEMAS)
    found = _pointed(document, reference) if name != reference and "/" not in name else None
    if not isinstance(found, dict):
        raise OpenApiError(f"has a schema with the reference {reference!r}, which is none of components/schemas")
    return found
