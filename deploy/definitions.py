"""CustomResourceDefinitions of Headgate's own kinds, generated from their models."""

from __future__ import annotations

from typing import Any, Final

from deploy.schema import structural
from translator.api_group import GROUP
from translator.kinds import Registry
from translator.objects.gateway_api.policy import Policy
from translator.objects.gateway_api.route import Route
from translator.objects.headgate.gatewayextension import GatewayExtension
from translator.objects.schema.base import KubernetesObject, PrinterColumn
from translator.objects.schema.scalars import CONTROLLER
from translator.registry import KINDS, REGISTRY
from translator.status.ancestors import MAX_ANCESTORS
from translator.status.route import MAX_PARENTS

CATEGORIES: Final = ("gateway-api", "headgate")
ACCEPTED: Final = PrinterColumn("Accepted", "string", '.status.conditions[?(@.type=="Accepted")].status')
ANCESTORS_ACCEPTED: Final = PrinterColumn(
    "Accepted", "string", '.status.ancestors[*].conditions[?(@.type=="Accepted")].status'
)
RESOLVED: Final = PrinterColumn("ResolvedRefs", "string", '.status.conditions[?(@.type=="ResolvedRefs")].status')
ANCESTORS_RESOLVED: Final = PrinterColumn(
    "ResolvedRefs", "string", '.status.ancestors[*].conditions[?(@.type=="ResolvedRefs")].status'
)
PARENTS_ACCEPTED: Final = PrinterColumn(
    "Accepted", "string", '.status.parents[*].conditions[?(@.type=="Accepted")].status'
)
PARENTS_RESOLVED: Final = PrinterColumn(
    "ResolvedRefs", "string", '.status.parents[*].conditions[?(@.type=="ResolvedRefs")].status'
)
AGE: Final = PrinterColumn("Age", "date", ".metadata.creationTimestamp")

CONDITION: Final[dict[str, Any]] = {
    "type": "object",
    "description": "A condition of the object (metav1.Condition).",
    "required": ["type", "status", "lastTransitionTime", "reason", "message"],
    "properties": {
        "type": {"type": "string", "minLength": 1, "maxLength": 316},
        "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
        "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
        "lastTransitionTime": {"type": "string", "format": "date-time"},
        "reason": {
            "type": "string",
            "minLength": 1,
            "maxLength": 1024,
            "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        },
        "message": {"type": "string", "maxLength": 32768},
    },
}

CONDITIONS: Final[dict[str, Any]] = {
    "type": "array",
    "maxItems": 8,
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
    "items": CONDITION,
}

STATUS_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "The status that Headgate reports.",
    "properties": {"conditions": CONDITIONS},
}

REFERENCE: Final = {"group": 253, "kind": 63, "namespace": 63, "name": 253, "sectionName": 253}
"""The fields of a ParentReference, and the maximum length of each."""

_REFERENCE_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["name"],
    "properties": {name: {"type": "string", "maxLength": most} for name, most in REFERENCE.items()}
    | {"port": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 65535}},
}
_CONTROLLER: Final = {"type": "string", "minLength": 1, "maxLength": 253, "pattern": CONTROLLER}

POLICY_STATUS_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "The status of the policy for each Gateway that it affects (PolicyStatus).",
    "required": ["ancestors"],
    "properties": {
        "ancestors": {
            "type": "array",
            "maxItems": MAX_ANCESTORS,
            "items": {
                "type": "object",
                "required": ["ancestorRef", "conditions", "controllerName"],
                "properties": {
                    "ancestorRef": _REFERENCE_SCHEMA,
                    "controllerName": _CONTROLLER,
                    "conditions": CONDITIONS,
                },
            },
        }
    },
}

ROUTE_STATUS_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "The status of the route for each parent that it attaches to (RouteStatus).",
    "required": ["parents"],
    "properties": {
        "parents": {
            "type": "array",
            "maxItems": MAX_PARENTS,
            "items": {
                "type": "object",
                "required": ["parentRef", "conditions", "controllerName"],
                "properties": {"parentRef": _REFERENCE_SCHEMA, "controllerName": _CONTROLLER, "conditions": CONDITIONS},
            },
        }
    },
}
"""The status of a route."""


def own_kinds() -> tuple[type[KubernetesObject], ...]:
    """Return the kinds that Headgate defines."""
    return tuple(each for each in KINDS.values() if each.group == GROUP)


def _condition_columns(model: type[KubernetesObject]) -> tuple[PrinterColumn, ...]:
    """Return the columns of conditions: those that tell of routes that are closed, too."""
    if issubclass(model, Policy):
        return (ANCESTORS_ACCEPTED, ANCESTORS_RESOLVED)
    if issubclass(model, Route):
        return (PARENTS_ACCEPTED, PARENTS_RESOLVED)
    return (ACCEPTED, RESOLVED) if model is GatewayExtension else (ACCEPTED,)


def _status_schema(model: type[KubernetesObject]) -> dict[str, Any]:
    if issubclass(model, Policy):
        return POLICY_STATUS_SCHEMA
    return ROUTE_STATUS_SCHEMA if issubclass(model, Route) else STATUS_SCHEMA


def definition(model: type[KubernetesObject], registry: Registry = REGISTRY) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind in a registry."""
    schema = structural(model, defaults=model.has_schema_defaults)
    fields = schema["properties"]
    schema["properties"] = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        **{name: each for name, each in fields.items() if name not in ("metadata", "status")},
        "status": _status_schema(model),
    }
    schema["required"] = [each for each in schema.get("required", ()) if each != "metadata"]
    if not schema["required"]:
        del schema["required"]
    conditions = _condition_columns(model) if model in registry.with_status else ()
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{model.plural}.{model.group}",
            "labels": {"app.kubernetes.io/name": "headgate", "app.kubernetes.io/part-of": "headgate"},
        },
        "spec": {
            "group": model.group,
            "names": {
                "kind": model.kind,
                "listKind": f"{model.kind}List",
                "plural": model.plural,
                "singular": model.kind.lower(),
                "shortNames": list(model.short_names),
                "categories": list(CATEGORIES),
            },
            "scope": "Namespaced" if model.namespaced else "Cluster",
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": version == model.versions[0],
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        {"name": name, "type": type_, "jsonPath": path}
                        for name, type_, path in (*model.printer_columns, *conditions, AGE)
                    ],
                    "schema": {"openAPIV3Schema": schema},
                }
                for version in model.versions
            ],
        },
    }
