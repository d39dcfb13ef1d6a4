"""The unit `transformation` of TrafficPolicies: templates, which a program in the proxy runs, change messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from headgate_proto.envoy.extensions.filters.http.lua.v3.lua_pb2 import LuaPerRoute
from translator.envoy.filter_entries import DiscoveredPart, FilterConfig, FilterEntry
from translator.envoy.hooks import FilterHook
from translator.envoy.http_filters import TRANSFORMATION
from translator.envoy.transformation import program
from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.ir.http import RuleSetting
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.objects.headgate.transformations import (
    RequestTransformation,
    ResponseTransformation,
    Transformation,
    TransformedBody,
)
from translator.outcome import Outcome, Problem

if TYPE_CHECKING:
    from translator.languages.templates import Template

UNIT: Final = "transformation"
VERSION: Final = 1
"""Of the form of programs: another version of the proxy's script refuses them."""
BODY_BYTES: Final = 1024 * 1024
"""How long bodies may be where a policy does not say it."""
MAX_PROGRAM_BYTES: Final = 128 * 1024
"""How long the templates of a route may be together, as the proxy gets them."""
NO_BODY: Final = TransformedBody.model_construct()


@dataclass(frozen=True, slots=True)
class Transformed(RuleSetting, FilterHook):
    """What is changed.

    Attributes:
        program: it, as the program in the proxy takes it.
        held: how many bytes of a body it has the proxy hold; 0 if it holds none.
    """

    program: str
    held: int

    @property
    def buffered_bytes(self) -> int:
        """The bytes of a body that the proxy holds."""
        return self.held

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the program of the route, and the script that runs it."""
        config = LuaPerRoute()
        config.filter_context.update({"program": self.program})
        yield FilterConfig(TRANSFORMATION, config)
        yield DiscoveredPart(TRANSFORMATION, UNIT, program())


@dataclass(slots=True)
class _Direction:
    """Reads what is changed of requests, or of responses.

    Attributes:
        path: its path, for messages.
        env: the environment variables that templates may read.
        templates: those that were read.
        faults: what is wrong.
    """

    path: str
    env: frozenset[str]
    templates: list[Template] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def read(self, found: RequestTransformation | ResponseTransformation) -> dict[str, Any]:
        """Return the part of the program for these messages."""
        body = found.body or NO_BODY
        made: dict[str, Any] = {}
        for name in ("set", "add"):
            if each := getattr(found, name):
                made[name] = [[x.name, self._template(f"{name}[{x.name}].value", x.value)] for x in each]
        if found.remove:
            made["remove"] = list(found.remove)
        if found.dynamic_metadata:
            made["metadata"] = [
                [x.namespace, x.key, self._template(self._of_metadata(x.namespace, x.key), x.value.string_value)]
                for x in found.dynamic_metadata
            ]
        if body.value is not None:
            made["body"] = self._template("body.value", body.value)
        return made | self._reading(body)

    def _of_metadata(self, namespace: str, key: str) -> str:
        return f"dynamicMetadata[{namespace}/{key}].value.stringValue"

    def _reading(self, body: TransformedBody) -> dict[str, Any]:
        """Return how the body is read: not at all unless a template needs it."""
        is_json = body.parse_as == "AsJson"
        reads = any(each.reads_body or (is_json and each.variables) for each in self.templates)
        made: dict[str, Any] = {} if body.max_bytes is None else {"limit": body.max_bytes}
        if body.parse_as != "None" and (reads or (is_json and body.value is not None)):
            made |= {"reads": True} | ({"json": True} if is_json else {})
        if body.on_parse_error == "Reject":
            made["reject"] = True
        return made

    def _template(self, leaf: str, text: str) -> list[Any]:
        from translator.languages.templates import TemplateError, read_template

        try:
            found = read_template(text)
        except TemplateError as error:
            self.faults.append(f"{self.path}.{leaf}: {error}.")
            return []
        for name in sorted(found.env - self.env):
            known = ", ".join(sorted(self.env)) or "none"
            self.faults.append(
                f"{self.path}.{leaf}: the environment variable {name!r} is not for templates: the operator allows "
                f"{known}; use one of these, or have the operator add it to --template-env."
            )
        self.templates.append(found)
        return found.statements


def read(context: PolicyContext) -> FilterOutcome:
    """Read the templates."""
    found = context.effective.value
    assert isinstance(found, Transformation)
    if found.disable is not None:
        return Outcome(())
    env = context.db.settings.template_env
    request, response = (_Direction(f"{context.field}.{name}", env) for name in ("request", "response"))
    program: dict[str, Any] = {"version": VERSION}
    if found.request is not None:
        program["request"] = request.read(found.request)
    if found.response is not None:
        program["response"] = response.read(found.response)
        # Whether a response has a body depends on the method of its request.
        names = frozenset({":method"}).union(*(each.request_headers for each in response.templates))
        program["keep"] = sorted(names)
        if program["response"].get("reads"):
            program["plain"] = True
    text = json.dumps(program, ensure_ascii=False, separators=(",", ":"))
    faults = [*request.faults, *response.faults]
    if len(text.encode()) > MAX_PROGRAM_BYTES:
        faults.append(
            f"{context.field}: its templates are too long together: as the proxy gets them they have at most "
            f"{MAX_PROGRAM_BYTES} bytes; shorten them."
        )
    if faults:
        return Outcome(None, tuple(Problem("Accepted", "Invalid", each) for each in faults))
    return Outcome((Transformed(text, max(map(_held, program.values()))),))


def _held(part: object) -> int:
    held = isinstance(part, dict) and ("body" in part or part.get("reads"))
    return int(part.get("limit", BODY_BYTES)) if held and isinstance(part, dict) else 0


EXTENSION = Extension(
    "transformation",
    units=(PolicyUnit(TrafficPolicy, UNIT, read, Transformed, closed=True, inherit=TABLE),),
)
