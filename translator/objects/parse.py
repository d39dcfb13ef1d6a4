"""Parsing of raw objects into typed ones, or into the problems that prevent it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from pydantic import ValidationError

from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.gatewayclass import GatewayClass
from translator.objects.gateway_api.httproute import HTTPRoute
from translator.objects.gateway_api.referencegrant import ReferenceGrant
from translator.objects.headgate.directresponse import DirectResponse
from translator.objects.headgate.gatewayparameters import GatewayParameters
from translator.objects.kubernetes.core import ConfigMap, Namespace, Secret
from translator.objects.kubernetes.customresourcedefinition import CustomResourceDefinition
from translator.objects.kubernetes.endpointslice import EndpointSlice
from translator.objects.kubernetes.service import Service
from translator.objects.kubernetes.workloads import DaemonSet, Deployment, Pod
from translator.objects.schema.base import KubernetesObject
from translator.objects.schema.messages import problems_of
from translator.objects.schema.problem import FieldProblem
from translator.objects.schema.suggest import closest
from translator.objects.schema.unknown_fields import plan, unknown_fields, without_nulls

__all__ = ["KINDS", "MOST_PROBLEMS", "FieldProblem", "Parsed", "parse"]

_MODELS: Final[tuple[type[KubernetesObject], ...]] = (
    GatewayClass,
    Gateway,
    HTTPRoute,
    ReferenceGrant,
    DirectResponse,
    Namespace,
    Service,
    EndpointSlice,
    Secret,
    ConfigMap,
    GatewayParameters,
    Deployment,
    DaemonSet,
    Pod,
    CustomResourceDefinition,
)

KINDS: Final[Mapping[str, type[KubernetesObject]]] = {model.kind: model for model in _MODELS}
"""The kinds of objects that are read; each class says its group, versions, plural and whether it is namespaced."""

_GROUPS: Final = frozenset(model.group for model in _MODELS if "gateway" in model.group)
"""The groups of which all kinds are ours to know: one that is not read is worth an error."""

_LATER: Final = frozenset(
    ("gateway.networking.k8s.io", kind)
    for kind in ("GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute", "ListenerSet", "BackendTLSPolicy")
)
"""Kinds of the Gateway API, by group, that are no mistake and not supported yet."""

_LIKENESS: Final = 0.85
"""How much alike a kind must be to one that is read to be a slip of the pen: not ServiceAccount, nor Endpoints."""

MOST_PROBLEMS: Final = 50
"""The most errors, and the most warnings, that are told about one object."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """An object and its problems. Where a problem is an error, there is no object."""

    object: KubernetesObject | None
    problems: tuple[FieldProblem, ...] = ()


def parse(raw: object) -> Parsed:
    """Make an object of a map of fields, as a JSON or YAML document holds it; never raises for what is in it.

    The model follows from `apiVersion` and `kind`. A namespaced object without a namespace is in "default".

    Args:
        raw: The document; it is not changed, and what is returned shares nothing with it that could change.

    Returns:
        The object, with a warning for each field that is unknown; or None and at least one error. An object of a kind
        that others read, such as a Deployment beside its routes, is None with a warning.
    """
    if not isinstance(raw, Mapping):
        return _refused(FieldProblem((), "must be a Kubernetes object, with apiVersion, kind and metadata"))
    model = _model(raw.get("apiVersion"), raw.get("kind"))
    if isinstance(model, FieldProblem):
        return _refused(model)
    warnings = _bounded(unknown_fields(raw, plan(model)))
    if not model.namespaced:
        raw, more = _without_namespace(raw, model)
        warnings += more
    try:
        return Parsed(model.model_validate(raw), warnings)
    except ValidationError as error:
        return _again(raw, model, error, warnings)


def _again(
    raw: Mapping[str, Any], model: type[KubernetesObject], error: ValidationError, warnings: tuple[FieldProblem, ...]
) -> Parsed:
    """Leave out fields that are null, as the API server does; few objects have one, so it is not looked for before."""
    without = without_nulls(raw, plan(model))
    if without != raw:
        try:
            return Parsed(model.model_validate(without), warnings)
        except ValidationError as still:
            error = still
    return Parsed(None, _bounded(problems_of(error)) + warnings)


def _refused(problem: FieldProblem) -> Parsed:
    return Parsed(None, (problem,))


def _bounded(problems: Iterable[FieldProblem]) -> tuple[FieldProblem, ...]:
    return tuple(islice(problems, MOST_PROBLEMS))


def _without_namespace(
    raw: Mapping[str, Any], model: type[KubernetesObject]
) -> tuple[Mapping[str, Any], tuple[FieldProblem, ...]]:
    """Return the API server drops the namespace of an object that lives in none."""
    metadata = raw.get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("namespace"):
        return raw, ()
    message = f"has no effect, because a {model.kind} is in no namespace: remove it"
    without = {**raw, "metadata": {key: value for key, value in metadata.items() if key != "namespace"}}
    return without, (FieldProblem(("metadata", "namespace"), message, "warning"),)


def _model(api_version: object, kind: object) -> type[KubernetesObject] | FieldProblem:
    if not isinstance(kind, str) or not kind:
        return FieldProblem(("kind",), f"is required: it is one of {', '.join(KINDS)}")
    if not isinstance(api_version, str) or not api_version:
        known = KINDS.get(kind)
        return FieldProblem(("apiVersion",), f"is required: {_served(known) if known else 'its group and version'}")
    model = KINDS.get(kind)
    group, _, version = api_version.rpartition("/")
    if model is None:
        return _unknown_kind(group, kind)
    if group != model.group or version not in model.versions:
        return FieldProblem(("apiVersion",), f"must be {_served(model)} for a {kind}, not {api_version[:253]!r}")
    return model


def _unknown_kind(group: str, kind: str) -> FieldProblem:
    if (group, kind) in _LATER:
        return FieldProblem(
            ("kind",), f"{kind} is not supported by this version of Headgate: it is left out", "warning"
        )
    close = closest(kind, KINDS, _LIKENESS)
    if close is None and group not in _GROUPS:
        return FieldProblem(("kind",), f"{kind[:63]!r} is not a kind that Headgate reads: it is left out", "warning")
    meant = f"did you mean {close}?" if close else f"the kinds are {', '.join(KINDS)}"
    return FieldProblem(("kind",), f"{kind[:63]!r} is not a kind that is read here; {meant}")


def _served(model: type[KubernetesObject]) -> str:
    return " or ".join(f"{model.group}/{version}" if model.group else version for version in model.versions)
