"""Documents of OpenAPI as tools: what operations become, and which ones cannot."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translator.languages.openapi import MAX_SCHEMA_BYTES, MOST_STEPS, OpenApiError, Tool, tools_of


def document(**paths: Any) -> str:
    """Return a document with one path, `/a/{id}`, of these methods, unless its members are given."""
    return json.dumps({"openapi": "3.1.0", "paths": {"/a/{id}": paths}})


ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}


def one(operation: dict[str, Any], method: str = "get", **more: Any) -> Tool:
    """Return the tool of an operation."""
    whole = {"openapi": "3.0.3", "paths": {"/a/{id}": {method: {"operationId": "op", **operation}}}, **more}
    (found,), faults = tools_of(json.dumps(whole))
    assert faults == ()
    return found


def fault(operation: dict[str, Any], path: str = "/a", method: str = "get") -> str:
    """Return why an operation is no tool."""
    found, (said,) = tools_of(
        json.dumps({"openapi": "3.0.3", "paths": {path: {method: {"operationId": "op", **operation}}}})
    )
    assert found == ()
    return said


def test_parameters() -> None:
    """Parameters of path, query and headers are arguments, with their schemas; those of the path are required."""
    query = {"name": "q", "in": "query", "schema": {"type": "integer"}, "description": "how many"}
    header = {"name": "X-Tenant", "in": "header", "required": True}
    cookie = {"name": "c", "in": "cookie"}
    found = one({"summary": "short", "description": "long", "parameters": [ID, query, header, cookie]})
    assert found[:6] == ("op", "long", "GET", "/a/{id}", "", (("x-tenant", "X-Tenant"),))
    assert json.loads(found.schema) == {
        "type": "object",
        "properties": {"id": {"type": "string"}, "q": {"type": "integer", "description": "how many"}, "X-Tenant": {}},
        "required": ["id", "X-Tenant"],
    }


def test_bodies_and_references() -> None:
    """A body of JSON is an argument; what schemas and parameters refer to goes along, in circles too."""
    node = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}}}
    components = {"schemas": {"Node": node, "Other": {}}, "parameters": {"Id": ID}}
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Node"}}}}
    found = one(
        {"parameters": [{"$ref": "#/components/parameters/Id"}], "requestBody": body}, "post", components=components
    )
    assert (found.method, found.body) == ("POST", "body")
    assert json.loads(found.schema) == {
        "type": "object",
        "properties": {"id": {"type": "string"}, "body": {"$ref": "#/$defs/Node"}},
        "required": ["id", "body"],
        "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
    }


def test_servers_and_paths() -> None:
    """Paths begin with that of the first server; parameters of a path are those of all its operations."""
    whole = {
        "openapi": "3.0.3",
        "servers": [{"url": "https://api.example.com/v1/"}],
        "paths": {
            "/a/{id}": {"parameters": [ID], "get": {"operationId": "get_a"}, "put": {"operationId": "put_a"}},
            "/b": {"get": {"summary": "nameless"}, "trace": {"operationId": "trace"}, "x-own": 5},
        },
    }
    found, faults = tools_of(json.dumps(whole))
    assert [(each.name, each.method, each.path) for each in found] == [
        ("get_a", "GET", "/v1/a/{id}"),
        ("put_a", "PUT", "/v1/a/{id}"),
    ]
    assert faults == ()


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (fault({"operationId": "a b"}), "an operationId that no tool can have"),
        (fault({"operationId": 5}), "an operationId that no tool can have"),
        (fault({}, "/a/{id}"), "has no parameter for 'id' of its path"),
        (fault({}, "/a b"), "a path with characters"),
        (fault({"parameters": [{"name": "a b", "in": "query"}]}), "a parameter 'a b'"),
        (fault({"parameters": [{"name": "a", "in": "cookie", "required": True}]}), "needs a cookie"),
        (fault({"parameters": [{"$ref": "other.json#/a"}]}), "a reference that leads nowhere"),
        (fault({"parameters": [{"$ref": "#/components/a"}]}), "a reference that leads nowhere"),
        (fault({"parameters": {}}), "parameters that are no list"),
        (
            fault({"parameters": [{"name": "a", "in": "query", "schema": {"$ref": "#/a"}}]}),
            "the reference '#/a', which is none",
        ),
        (fault({"requestBody": {"required": True, "content": {"text/xml": {}}}}, method="post"), "no application/json"),
        (
            fault(
                {
                    "parameters": [{"name": "body", "in": "query"}],
                    "requestBody": {"content": {"application/json": {}}},
                },
                method="post",
            ),
            "a parameter 'body' beside its body",
        ),
    ],
)
def test_operations_that_are_no_tools(said: str, text: str) -> None:
    """What agents could not call is left out, and why is said."""
    assert text in said


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "openapi: 3.0.0", '{"openapi": "2.0"}', '{"openapi": "3.0.0"}', "[" * 99999]
)
def test_what_is_no_document(text: str) -> None:
    """What is no document of OpenAPI 3 as JSON is refused."""
    with pytest.raises(OpenApiError):
        tools_of(text)


def test_names_that_are_there_twice() -> None:
    """Of two operations with one name the first is a tool."""
    paths = {"/a": {"get": {"operationId": "op"}, "put": {"operationId": "op"}}}
    found, faults = tools_of(json.dumps({"openapi": "3.0.0", "paths": paths}))
    assert [each.method for each in found] == ["GET"]
    assert faults == ("PUT /a has the operationId of another one",)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["parameters", "name", "in", "schema", "$ref", "content", "application/json", "operationId"]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(["/a", "/a/{id}", "/"]) | st.text(),
        st.dictionaries(st.sampled_from(["get", "post", "parameters"]), JSON),
    )
)
def test_any_document(paths: Any) -> None:
    """Whatever a document says, its operations are tools, or left out."""
    try:
        found, _ = tools_of(json.dumps({"openapi": "3.1.0", "paths": paths}))
    except OpenApiError:
        return
    assert all(isinstance(json.loads(each.schema), dict) for each in found)


def test_many_schemas() -> None:
    """A tool has so many schemas of others, and no more."""

    def chain(count: int) -> str:
        schemas = {f"S{place}": {"items": {"$ref": f"#/components/schemas/S{place + 1}"}} for place in range(count - 1)}
        whole = {"schemas": {**schemas, f"S{count - 1}": {}}}
        parameter = {"name": "a", "in": "query", "schema": {"$ref": "#/components/schemas/S0"}}
        paths = {"/a": {"get": {"operationId": "op", "parameters": [parameter]}}}
        return json.dumps({"openapi": "3.0.0", "paths": paths, "components": whole})

    found, faults = tools_of(chain(MOST_STEPS))
    assert (len(found), faults) == (1, ())
    found, faults = tools_of(chain(MOST_STEPS + 1))
    assert found == ()
    assert "of too many others" in faults[0]


def test_long_schemas() -> None:
    """Tools have schemas of so many bytes together; those of further operations are left out."""
    schemas = {"S": {"description": "x" * (MAX_SCHEMA_BYTES // 4)}}
    parameter = {"name": "a", "in": "query", "schema": {"$ref": "#/components/schemas/S"}}
    paths = {f"/{place}": {"get": {"operationId": f"op{place}", "parameters": [parameter]}} for place in range(9)}
    text = json.dumps({"openapi": "3.0.0", "paths": paths, "components": {"schemas": schemas}})
    found, faults = tools_of(text)
    assert [each.name for each in found] == ["op0", "op1", "op2"]
    assert faults == ("GET /3, with all that follows, has schemas of more than 1 MiB together",)
