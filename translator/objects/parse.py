"""Parsing of raw objects into typed ones, or into the problems that prevent it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from pydantic import ValidationError

from translator.objects.schema.base import KubernetesObject
from translator.objects.schema.messages import problems_of
from translator.objects.schema.problem import FieldProblem
from translator.objects.schema.suggest import closest
from translator.objects.schema.unknown_fields import plan, unknown_fields, without_nulls

__all__ = ["MOST_PROBLEMS", "FieldProblem", "Kinds", "Parsed"]

_GATEWAY_API: Final = frozenset({("gateway.networking.x-k8s.io", "XMesh")})
"""Kinds of the Gateway API, by group, that are no mistake where this version does not read them."""

_OF_OTHERS: Final[Mapping[str, str]] = {
    "HTTPListenerPolicy": "a ListenerPolicy has its fields in default.httpSettings",
    "ClientTrafficPolicy": "a ListenerPolicy says how clients are served",
    "BackendTrafficPolicy": "a TrafficPolicy says how requests are served, and a BackendConfigPolicy of the Services "
    "how connections are made and endpoints chosen",
    "SecurityPolicy": "a TrafficPolicy has its fields, and GatewayExtensions what several of these share",
    "EnvoyExtensionPolicy": "a TrafficPolicy has its fields, and GatewayExtensions the services that they call",
    "EnvoyProxy": "GatewayParameters say how proxies are deployed, and a ListenerPolicy has logs, traces and geoIP",
    "HTTPRouteFilter": "a TrafficPolicy or a DirectResponse, named by a filter of type ExtensionRef, does it",
}
"""What is there for the purpose of kinds of other gateways; names that are like theirs would mislead."""

_LIKENESS: Final = 0.85
"""How much alike a kind must be to one that is read to be a slip of the pen: not ServiceAccount, nor Endpoints."""

MOST_PROBLEMS: Final = 50
"""The most errors, and the most warnings, that are told about one object."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """An object and its problems. Where a problem is an error, there is no object."""

    object: KubernetesObject | None
    problems: tuple[FieldProblem, ...] = ()


class Kinds(Mapping[str, type[KubernetesObject]]):
    """The kinds of objects that are read, by their names."""

    def __init__(self, models: Iterable[type[KubernetesObject]]) -> None:
        """Take the classes of the kinds.

        Raises:
            ValueError: two of them have one name.
        """
        self._models: dict[str, type[KubernetesObject]] = {}
        for each in models:
            if self._models.setdefault(each.kind, each) is not each:
                raise ValueError(f"there are two kinds {each.kind}: of {self._models[each.kind].group}, {each.group}")
        self._groups = frozenset(each.group for each in self._models.values() if "gateway" in each.group)

    def __getitem__(self, kind: str) -> type[KubernetesObject]:
        return self._models[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def subclasses(self, base: type[KubernetesObject]) -> tuple[type[KubernetesObject], ...]:
        """Return the kinds whose class is `base` or derives from it."""
        return tuple(each for each in self._models.values() if issubclass(each, base))

    def parse(self, raw: object) -> Parsed:
        """Make an object of a map of fields, as a JSON or YAML document holds it; never raises for what is in it.

        The class follows from `apiVersion` and `kind`. A namespaced object without a namespace is in "default".

        Args:
            raw: The document; it is not changed, and what is returned shares nothing with it that could change.

        Returns:
            The object, with a warning for each field that is unknown; or None and at least one error. An object of a
            kind that others read, such as a Deployment beside its routes, is None with a warning.
        """
        if not isinstance(raw, Mapping):
            return _refused(FieldProblem((), "must be a Kubernetes object, with apiVersion, kind and metadata"))
        model = self._model(raw.get("apiVersion"), raw.get("kind"))
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

    def _model(self, api_version: object, kind: object) -> type[KubernetesObject] | FieldProblem:
        if not isinstance(kind, str) or not kind:
            return FieldProblem(("kind",), f"is required: it is one of {', '.join(self)}")
        model = self.get(kind)
        if not isinstance(api_version, str) or not api_version:
            return FieldProblem(("apiVersion",), f"is required: {_served(model) if model else 'its group and version'}")
        group, _, version = api_version.rpartition("/")
        if model is None:
            return self._unknown_kind(group, kind)
        if group != model.group or version not in model.versions:
            return FieldProblem(("apiVersion",), f"must be {_served(model)} for a {kind}, not {api_version[:253]!r}")
        return model

    def _unknown_kind(self, group: str, kind: str) -> FieldProblem:
        """Return the problem of a kind that is not read; of some groups all kinds are ours to know."""
        if (group, kind) in _GATEWAY_API:
            text = f"{kind} is not supported by this version of Headgate: it is left out"
            return FieldProblem(("kind",), text, "warning")
        if instead := _OF_OTHERS.get(kind):
            text = f"{kind!r} is not a kind that is read here; {instead}"
            return FieldProblem(("kind",), text, "error" if group in self._groups else "warning")
        close = closest(kind, self, _LIKENESS)
        if close is None and group not in self._groups:
            return FieldProblem(
                ("kind",), f"{kind[:63]!r} is not a kind that Headgate reads: it is left out", "warning"
            )
        meant = f"did you mean {close}?" if close else f"the kinds are {', '.join(self)}"
        return FieldProblem(("kind",), f"{kind[:63]!r} is not a kind that is read here; {meant}")


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
    """Drop the namespace of an object that is in none, as the API server does; return the object and a warning."""
    metadata = raw.get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("namespace"):
        return raw, ()
    message = f"has no effect, because a {model.kind} is in no namespace: remove it"
    without = {**raw, "metadata": {key: value for key, value in metadata.items() if key != "namespace"}}
    return without, (FieldProblem(("metadata", "namespace"), message, "warning"),)


def _served(model: type[KubernetesObject]) -> str:
    return " or ".join(f"{model.group}/{version}" if model.group else version for version in model.versions)
