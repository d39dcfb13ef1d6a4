"""Managed Gateways and the addresses that they bind."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from translator.db import Db
from translator.delegation.relations import TRUE, WEIGHTED
from translator.engine.query import index, query
from translator.objects.gateway_api.gateway import Gateway, GatewaySpec
from translator.objects.gateway_api.gatewayclass import GatewayClass
from translator.objects.gateway_api.listener import Listener, ListenerOwner
from translator.outcome import Outcome, Problem
from translator.refs import Ref

STANDALONE_CLASS = "headgate"

UNDERSCORES = "gateway.headgate.dev/headers-with-underscores"
"""The annotation of a Gateway whose value "Allow" lets header names with underscores in; else they get 400."""


@query(firewall=True)
def managed_class(db: Db, name: str) -> bool:
    """Whether the GatewayClass `name` is ours; standalone, the class `headgate` needs no object."""
    found = db.get(GatewayClass, Ref(GatewayClass.kind, "", name))
    if found is None:
        return db.settings.standalone and name == STANDALONE_CLASS
    return found.spec.controller_name == db.settings.controller_name


@index(GatewayClass.kind, partitions=lambda _db, _ref: ("",), partition_of=lambda key: key)
def own_classes(db: Db, ref: Ref) -> Iterator[tuple[str, str]]:
    """File the GatewayClasses that are ours."""
    if managed_class(db, ref.name):
        yield "", ref.name


def managed_classes(db: Db) -> tuple[str, ...]:
    """Return the names of the GatewayClasses that are ours; standalone, the class `headgate` needs no object."""
    found = db.select(own_classes, "")
    return found or ((STANDALONE_CLASS,) if managed_class(db, STANDALONE_CLASS) else ())


@query(firewall=True)
def gateway_spec(db: Db, gateway: Ref) -> GatewaySpec | None:
    """Return the spec of a Gateway, None if there is none: for readers whom its metadata and status do not concern."""
    found = db.get(Gateway, gateway)
    return None if found is None else found.spec


@query(firewall=True)
def is_managed(db: Db, gateway: Ref) -> bool:
    """Whether `gateway` exists and is of a class of ours."""
    spec = gateway_spec(db, gateway)
    return spec is not None and managed_class(db, spec.gateway_class_name)


@query(firewall=True)
def listener_specs(db: Db, owner: Ref) -> tuple[Listener, ...]:
    """Return the listeners of an object as its spec has them; none if there is no such object."""
    found = db.get(ListenerOwner, owner)
    return () if found is None else found.spec.listeners


def _class_of(db: Db, gateway: Ref) -> tuple[str, ...]:
    spec = gateway_spec(db, gateway)
    return () if spec is None else (spec.gateway_class_name,)


@index(Gateway.kind, partitions=_class_of)
def gateways_by_class(db: Db, gateway: Ref) -> Iterator[tuple[str, Ref]]:
    """Index Gateways by the name of their class."""
    for name in _class_of(db, gateway):
        yield name, gateway


@query
def class_in_use(db: Db, gatewayclass: Ref) -> bool | None:
    """Return whether Gateways use a GatewayClass of ours; None for others' classes."""
    name = gatewayclass.name
    return bool(db.count(gateways_by_class, name)) if managed_class(db, name) else None


@query
def allows_underscores(db: Db, gateway: Ref) -> bool:
    """Whether requests to a Gateway may have header names with underscores, which its annotation can say."""
    found = db.get(Gateway, gateway)
    return found is not None and found.metadata.annotations.get(UNDERSCORES) == "Allow"


@query
def addresses(db: Db, gateway: Ref) -> Outcome[tuple[str, ...]]:
    """Return the IP addresses that the proxies of `gateway` bind.

    Standalone these are the Gateway's own, if it names any, and none where none of those can be used; an address
    without a value asks for one to be chosen. In a cluster a proxy binds all of its pod's, and the requested ones
    belong to its Service.
    """
    settings, spec = db.settings, gateway_spec(db, gateway)
    if spec is None or not spec.addresses:
        return Outcome(settings.addresses)
    problems = list(_routability(spec, standalone=settings.standalone))
    if not settings.standalone:
        return Outcome(settings.addresses, tuple(problems))
    wanted: list[str] = []
    for place, address in enumerate(spec.addresses):
        field = f"spec.addresses[{place}]"
        if address.type != "IPAddress":
            text = f"{field}: the type {address.type} is not supported; give an address of type IPAddress."
            problems.append(Problem("Accepted", "UnsupportedAddress", text))
        elif not address.value:
            wanted += settings.addresses
        else:
            wanted.append(str(ip_address(address.value)))
    return Outcome(tuple(dict.fromkeys(wanted)), tuple(problems))


def _routability(spec: GatewaySpec, *, standalone: bool) -> Iterator[Problem]:
    """Yield the routabilities that cannot be had; a Service has an address that is reached in its cluster only."""
    for place, address in enumerate(spec.addresses):
        if address.routability and (standalone or not address.in_cluster):
            field = f"spec.addresses[{place}].routability"
            text = f"{field}: {address.routability} is not supported; remove it."
            yield Problem("Accepted", "UnsupportedAddress", text)


@query
def unsupported_parameters(db: Db, gateway: Ref) -> Problem | None:
    """Return the problem of a standalone Gateway with a parametersRef: without a cluster nothing applies parameters."""
    spec = gateway_spec(db, gateway) if db.settings.standalone else None
    if spec is None or spec.infrastructure is None or spec.infrastructure.parameters_ref is None:
        return None
    return useless_parameters("spec.infrastructure.parametersRef")


def useless_parameters(field: str) -> Problem:
    """Return the problem of a reference to parameters where there is no cluster."""
    text = f"{field}: parameters are for proxies that Headgate deploys in a cluster; apply it there, or remove it here."
    return Problem("Accepted", "InvalidParameters", text)


@query(firewall=True)
def orders_by_weight(db: Db, gateway: Ref) -> bool:
    """Return whether the route-weights of children come before the precedence of their matches (ADR 31)."""
    found = db.get(Gateway, gateway)
    annotations = found.metadata.annotations if found is not None else {}
    return any(annotations.get(each, "").lower() in TRUE for each in WEIGHTED)
