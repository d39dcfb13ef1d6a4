"""The parameters of a Gateway: its own over those of its class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from translator.api_group import GROUP
from translator.db import Db
from translator.engine.query import index, query
from translator.gateway.gateways import gateway_spec, is_managed, useless_parameters
from translator.objects.gateway_api.gateway import Gateway, GatewaySpec
from translator.objects.gateway_api.gatewayclass import GatewayClass
from translator.objects.gateway_api.references import LocalParametersReference, ParametersReference
from translator.objects.headgate.gatewayparameters import GatewayParameters, GatewayParametersSpec
from translator.objects.schema.messages import problems_of
from translator.outcome import Outcome, Problem
from translator.refs import Ref
from translator.strategic_merge import TooDeep, merge


class ParametersSource(NamedTuple):
    """A reference to parameters: its field, and the object that it refers to."""

    field: str
    group: str
    kind: str
    namespace: str
    name: str

    @property
    def ref(self) -> Ref:
        """The object that it refers to."""
        return Ref(self.kind, self.namespace, self.name)


def _used(db: Db, gateway: Ref) -> Iterator[Ref]:
    found = db.get(Gateway, gateway)
    if found is not None:
        yield from (each.ref for each in _sources(db, gateway, found.spec))


@index(Gateway.kind, partitions=_used)
def users(db: Db, gateway: Ref) -> Iterator[tuple[Ref, Ref]]:
    """Index each managed Gateway by the parameters that apply to it."""
    spec = gateway_spec(db, gateway)
    if spec is not None and is_managed(db, gateway):
        for source in dict.fromkeys(each.ref for each in _sources(db, gateway, spec)):
            yield source, gateway


@query
def parameters(db: Db, gateway: Ref) -> Outcome[GatewayParametersSpec | None]:
    """Return the parameters of a Gateway; None if they are not valid. The problems are the Gateway's."""
    spec = gateway_spec(db, gateway)
    if spec is None:
        return Outcome(None)
    merged: Any = {}
    problems: list[Problem] = []
    for source in _sources(db, gateway, spec):
        layer = _layer(db, source)
        problems += layer.problems
        try:
            merged = merge(merged, layer.value)
        except TooDeep as error:
            problems.append(_invalid(f"{source.field}: GatewayParameters {source.namespace}/{source.name} {error}."))
    if problems:
        return Outcome(None, tuple(problems))
    try:
        return Outcome(GatewayParametersSpec.model_validate(merged))
    except ValidationError as error:
        text = "; ".join(_sentence(each.path, each.message) for each in problems_of(error))
        return Outcome(None, (_invalid(f"The parameters of the Gateway and of its class do not go together: {text}."),))


@query(firewall=True)
def denies_alpha(db: Db, gateway: Ref) -> bool:
    """Return whether the parameters of a Gateway forbid filters that Envoy calls alpha."""
    found = parameters(db, gateway).value
    return found is not None and found.alpha_filters == "Deny"


@query
def class_parameters(db: Db, name: str) -> tuple[Problem, ...]:
    """Return the problems of the parameters of a GatewayClass."""
    found = db.get(GatewayClass, Ref(GatewayClass.kind, "", name))
    source = _class_source(found)
    if source is None:
        return ()
    return (useless_parameters(source.field),) if db.settings.standalone else _layer(db, source).problems


def _sources(db: Db, gateway: Ref, spec: GatewaySpec) -> Iterator[ParametersSource]:
    """Yield the references that apply, in ascending order of precedence."""
    of_class = _class_source(db.get(GatewayClass, Ref(GatewayClass.kind, "", spec.gateway_class_name)))
    if of_class is not None:
        yield of_class._replace(field=f"GatewayClass {spec.gateway_class_name}: {of_class.field}")
    infrastructure = spec.infrastructure
    if infrastructure is not None and infrastructure.parameters_ref is not None:
        field = "spec.infrastructure.parametersRef"
        yield _source(field, infrastructure.parameters_ref, gateway.namespace)


def _class_source(found: GatewayClass | None) -> ParametersSource | None:
    reference = found.spec.parameters_ref if found is not None else None
    return None if reference is None else _source("spec.parametersRef", reference, reference.namespace or "")


def _source(field: str, reference: LocalParametersReference | ParametersReference, namespace: str) -> ParametersSource:
    return ParametersSource(field, reference.group, reference.kind, namespace, reference.name)


def _layer(db: Db, source: ParametersSource) -> Outcome[Mapping[str, Any]]:
    """Return the fields that parameters set, in JSON form."""
    if (source.group, source.kind) != (GROUP, GatewayParameters.kind):
        text = f"{source.field}: {source.kind} of group {source.group or 'core'} are no parameters; use"
        return Outcome({}, (_invalid(f"{text} {GatewayParameters.kind} of group {GROUP}."),))
    if not source.namespace:
        text = f"{source.field}.namespace: is required, because {source.kind} live in namespaces: add it."
        return Outcome({}, (_invalid(text),))
    found, invalid = db.get(GatewayParameters, source.ref), db.invalid_reason(source.ref)
    if found is None or invalid:
        why = f"{source.ref} is not valid: {invalid}" if invalid else f"there is no {source.ref}; create it."
        return Outcome({}, (_invalid(f"{source.field}: {why}"),))
    return Outcome(found.spec.model_dump(mode="json", by_alias=True, exclude_unset=True))


def _invalid(text: str) -> Problem:
    return Problem("Accepted", "InvalidParameters", text)


def _sentence(path: tuple[str | int, ...], message: str) -> str:
    return f"{'.'.join(map(str, path))} {message}"
