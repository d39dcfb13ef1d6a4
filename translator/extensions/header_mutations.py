"""Changes of headers by TrafficPolicies (`headerModifiers`), beside the header modifiers of rules.

Envoy's filter changes requests before the route does, and responses after it; and it applies what all levels say. So
policies are written at routes only, merged, without what the rule itself says about the same header; and where a policy
is enforced, what the rule says about the headers of requests that the policy names is taken out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route, WeightedCluster
from headgate_proto.envoy.extensions.filters.http.header_mutation.v3.header_mutation_pb2 import HeaderMutationPerRoute
from translator.envoy.filter_entries import FilterConfig, FilterEntry, SecretUse
from translator.envoy.hooks import FilterHook, RouteHook
from translator.envoy.http_filters import HEADER_MUTATION
from translator.envoy.injected_secret import generic_injector
from translator.extension import Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.extensions.header_operations import Change, Mutations, NameMatch, change, match_fault
from translator.gateway.secrets import header_secret
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.ir.secret import GenericSecret
from translator.objects.gateway_api.filters import HTTPHeaderFilter
from translator.objects.gateway_api.rules import RouteRule
from translator.objects.headgate.headers import (
    HeaderChange,
    HeaderModifiers,
    HeaderOperations,
    RequestHeaderModifier,
    ResponseHeaderModifier,
    SecretKeyReference,
    SetRequestHeader,
)
from translator.objects.headgate.references import SecretReference
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.objects.headgate.types import StringMatch
from translator.objects.schema.header_names import FIXED
from translator.outcome import Outcome, Problem

ClusterWeight = WeightedCluster.ClusterWeight


class SecretHeader(NamedTuple):
    """A header of requests, and the secret text that is its value."""

    name: str
    secret: GenericSecret


BEFORE_CREDENTIAL: Final = 1
"""The weight of headers from Secrets: the unit that is for credentials alone has the last word."""


@dataclass(frozen=True, slots=True)
class HeaderMutations(RuleSetting, FilterHook):
    """What policies do to the headers of requests and responses.

    Attributes:
        request: the changes of those of requests.
        response: the changes of those of responses.
        secrets: headers of requests whose values are secret texts.
    """

    request: Mutations = ()
    response: Mutations = ()
    secrets: tuple[SecretHeader, ...] = ()

    @property
    def adds_secret(self) -> bool:
        """Whether a header has a secret text."""
        return bool(self.secrets)

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Give the filter its mutations."""
        made = HeaderMutationPerRoute()
        made.mutations.request_mutations.extend(each.message() for each in self.request)
        made.mutations.response_mutations.extend(each.message() for each in self.response)
        if self.request or self.response:
            yield FilterConfig(HEADER_MUTATION, made)
        for each in self.secrets:
            yield SecretUse(each.secret)
            yield generic_injector(f"headgate.header.{each.name}", each.secret, each.name, weight=BEFORE_CREDENTIAL)


@dataclass(frozen=True, slots=True)
class EnforcedHeaders(RuleSetting, RouteHook):
    """Headers of requests that only policies change, whatever the rule and its backends ask for."""

    forwarding: ClassVar[bool] = True
    names: tuple[str, ...]

    @property
    def is_final(self) -> bool:
        """They are taken out when all others have written theirs."""
        return True

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Take out what the ``Route`` does to them after the filter."""
        self._clean(route)
        for each in route.route.weighted_clusters.clusters if route.route.HasField("weighted_clusters") else ():
            self._clean(each)

    def _clean(self, message: Route | ClusterWeight) -> None:
        added = [each for each in message.request_headers_to_add if each.header.key.lower() not in self.names]
        removed = [each for each in message.request_headers_to_remove if each.lower() not in self.names]
        del message.request_headers_to_add[:]
        del message.request_headers_to_remove[:]
        message.request_headers_to_add.extend(added)
        message.request_headers_to_remove.extend(removed)


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective changes, without those that the rule makes by itself."""
    found = context.effective.value
    assert isinstance(found, HeaderModifiers)
    reader = _Reader(context)
    request, response = reader.mutations("request", found.request), reader.mutations("response", found.response)
    if reader.problems:
        return Outcome(None, tuple(reader.problems))
    secrets = tuple(reader.secrets)
    changes = [(each.way, each.name) for each in request if isinstance(each, Change)]
    changes += [("set", each.name) for each in secrets]
    enforced = tuple(sorted({name for way, name in changes if reader.is_enforced(way, name)}))
    made = HeaderMutations(request, response, secrets)
    settings: list[RuleSetting] = [made] if request or response or secrets else []
    settings += [EnforcedHeaders(enforced)] if enforced else []
    return Outcome(tuple(settings))


class _Reader:
    """Reads the lists of a policy, and collects what is wrong with them."""

    def __init__(self, context: PolicyContext) -> None:
        self.problems: list[Problem] = []
        self.secrets: list[SecretHeader] = []
        self._context = context

    def mutations(self, direction: str, found: HeaderOperations | None) -> Mutations:
        """Return the changes of one direction, in the order in which they are made."""
        if found is None:
            return ()
        removed = (Change("remove", each) for each in found.remove if self._of_policy(f"{direction}.remove[{each}]"))
        changed = [each for way in ("add_if_absent", "set", "add") for each in self._changes(direction, found, way)]
        return (*self._matches(direction, found.remove_on_match), *removed, *changed)

    def is_enforced(self, way: str, name: str) -> bool:
        """Return whether a change of a header of requests is enforced."""
        return _leaf("request", way, name) in self._context.effective.enforced

    def _changes(self, direction: str, found: HeaderOperations, way: str) -> Iterator[Change]:
        for each in getattr(found, way):
            leaf = _leaf(direction, way, each.name)
            if not self._of_policy(leaf):
                continue
            if isinstance(each, SetRequestHeader) and each.secret_ref is not None:
                self._read_secret(leaf, each.name, each.secret_ref)
            elif isinstance(made := change(way, each), str):
                self._refuse(f"{leaf}.value", made)
            else:
                yield made

    def _read_secret(self, leaf: str, name: str, found: SecretKeyReference) -> None:
        reference = SecretReference(name=found.name, key=found.key)
        path = f"{self._context.field}.{leaf}.secretRef"
        secret = header_secret(self._context.db, self._context.origin(leaf), reference, found.key, path)
        self.problems += secret.problems
        if secret.value is not None:
            self.secrets.append(SecretHeader(name, secret.value))

    def _matches(self, direction: str, found: tuple[StringMatch, ...]) -> Iterator[NameMatch]:
        for place, each in enumerate(found):
            member, value = each.member
            if fault := match_fault(direction, member, value):
                self._refuse(f"{direction}.removeOnMatch[{place}].{member}", fault)
            else:
                yield NameMatch(member, value)

    def _of_policy(self, leaf: str) -> bool:
        """Return whether a policy gives a leaf, and not the rule by its own filters."""
        origin = self._context.effective.origins.get(leaf)
        return origin is None or origin.kind == self._context.kind

    def _refuse(self, path: str, fault: str) -> None:
        self.problems.append(Problem("Accepted", "Invalid", f"{self._context.field}.{path}: {fault}."))


def _leaf(direction: str, way: str, name: str) -> str:
    alias = HeaderOperations.model_fields[way].alias if way in HeaderOperations.model_fields else way
    return f"{direction}.{alias}[{name}]"


def is_closed(found: object) -> bool:
    """Return whether routes must not be served without the headers: where one is a secret that backends ask for."""
    request = found.request if isinstance(found, HeaderModifiers) else None
    return request is not None and any(each.secret_ref is not None for each in request.set)


def own(rule: RouteRule[Any]) -> HeaderModifiers | None:
    """Return what the header modifiers of a rule itself do, without the Host of requests, which is none of the unit."""
    request = next((each.request_header_modifier for each in rule.filters if each.request_header_modifier), None)
    response = next((each.response_header_modifier for each in rule.filters if each.response_header_modifier), None)
    given: dict[str, HeaderOperations] = {}
    if request is not None:
        sets = tuple(SetRequestHeader(name=name, value=value) for name, value in _pairs(request.set))
        given["request"] = RequestHeaderModifier(set=sets, **_operations(request))
    if response is not None:
        changes = tuple(HeaderChange(name=name, value=value) for name, value in _pairs(response.set))
        given["response"] = ResponseHeaderModifier(set=changes, **_operations(response))
    return HeaderModifiers.model_validate(given) if given else None


def _operations(found: HTTPHeaderFilter) -> dict[str, Any]:
    added = tuple(HeaderChange(name=name, value=value) for name, value in _pairs(found.add))
    removed = tuple(dict.fromkeys(each.lower() for each in found.remove if each.lower() not in FIXED))
    return {"add": added, "remove": removed}


def _pairs(headers: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Yield names and values; of names that differ only in case the first counts (`HTTPHeader.name`)."""
    firsts: dict[str, str] = {}
    for each in headers:
        if each.name.lower() not in FIXED:
            firsts.setdefault(each.name.lower(), each.value)
    yield from firsts.items()


EXTENSION = Extension(
    "header mutations",
    units=(PolicyUnit(TrafficPolicy, "header_modifiers", read, HeaderMutations, closed=is_closed, own=own),),
)
