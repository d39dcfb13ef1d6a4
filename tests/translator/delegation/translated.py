"""What a translator makes of routes that delegate: the names of Envoy's routes, and conditions."""

from __future__ import annotations

from typing import Any

from headgate_proto.envoy.config.route.v3.route_components_pb2 import DirectResponseAction
from tests.translator.delegation.emitted import configuration
from translator.refs import Ref
from translator.translator import Translator


def route_names(found: Translator) -> list[str]:
    """Return the names of Envoy's routes, in their order, without what all of them begin with."""
    hosts = configuration(found).virtual_hosts
    return [each.name.removeprefix("HTTPRoute/default/") for host in hosts for each in host.routes]


def answers(found: Translator) -> list[DirectResponseAction]:
    """Return what Envoy's routes answer by themselves, of those that do."""
    routes = [each for host in configuration(found).virtual_hosts for each in host.routes]
    return [each.direct_response for each in routes if each.HasField("direct_response")]


def condition(found: Translator, name: str, type_: str, parent: str = "", namespace: str = "default") -> dict[str, Any]:
    """Return a condition of a route at a parent, by the parent's name, by default at the first."""
    status = found.statuses[Ref("HTTPRoute", namespace, name)]
    assert status is not None
    entry = next(each for each in status["parents"] if parent in ("", each["parentRef"]["name"]))
    return next((each for each in entry["conditions"] if each["type"] == type_), {})
