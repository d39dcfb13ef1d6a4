"""Explanations: what becomes of a request at a Gateway, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from translator.explain.request import Headers


class HeaderEdit(NamedTuple):
    """A change of a header.

    Attributes:
        action: ``set``, ``add``, ``add if absent``, ``set if present`` or ``remove``.
        name: the name of the header.
        value: the value, or Envoy's format of one.
    """

    action: str
    name: str
    value: str = ""


class EnabledFilter(NamedTuple):
    """An HTTP filter that runs for a request.

    Attributes:
        name: its name.
        configured: the message that enables it: HttpConnectionManager, RouteConfiguration, VirtualHost, Route or
            ClusterWeight.
    """

    name: str
    configured: str


@dataclass(frozen=True, slots=True)
class Destination:
    """A cluster that requests may go to, and what they are when they leave.

    Attributes:
        cluster: its name.
        share: the share of the requests, from 0 to 1.
        backend: what the cluster is of: an object and its port.
        endpoints: the addresses that may get the request.
        host, path: those of the request that the backend gets.
        headers: its headers, as far as they are known.
        changes: the changes of headers that led to these.
        response_changes: the changes of the response's headers.
        filters: the HTTP filters that run, in their order.
        status: what Envoy answers if no endpoint can get the request; 0 if one can.
        problem: why none can; "" if one can.
    """

    cluster: str
    share: float
    backend: str = ""
    endpoints: tuple[str, ...] = ()
    host: str = ""
    path: str = ""
    headers: Headers = ()
    changes: tuple[HeaderEdit, ...] = ()
    response_changes: tuple[HeaderEdit, ...] = ()
    filters: tuple[EnabledFilter, ...] = ()
    status: int = 0
    problem: str = ""


class MirrorTarget(NamedTuple):
    """A cluster that gets copies of requests, and the share of these of which it does."""

    cluster: str
    share: float


@dataclass(frozen=True, slots=True)
class Retries:
    """When and how often a request is tried again; times in seconds, None where they are Envoy's default.

    Attributes:
        then: the backends that each further attempt goes to, if these are others than those of the first.
    """

    conditions: str
    attempts: int
    statuses: tuple[int, ...] = ()
    per_try_timeout: float | None = None
    backoff: tuple[float, float] | None = None
    then: tuple[str, ...] = ()


class NearMiss(NamedTuple):
    """A route that would take the request but for one thing."""

    route: str
    reason: str


class PolicyField(NamedTuple):
    """An effective field of policies.

    Attributes:
        field: its path in the policies' specs.
        value: its value, as JSON.
        policy: the policy that it comes from.
        level: the level that this is attached at.
        problem: what is wrong with the unit that it is of, which is left out or refuses requests; "" if it is applied.
    """

    field: str
    value: object
    policy: str
    level: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """What objects say of the rule that a request falls to.

    Attributes:
        route: the object.
        rule: the rule's name, or its place in the object.
        match: the place of the match in the rule.
        listeners: the listeners by which the route is attached there.
        error: why the rule answers with an error; "" if it works.
        policies: the effective fields of policies.
        parents: the rules that delegate to the rule, the nearest first.
    """

    route: str
    rule: str
    match: str = ""
    listeners: tuple[str, ...] = ()
    error: str = ""
    policies: tuple[PolicyField, ...] = ()
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """What becomes of a share of the requests like the one that is explained.

    Attributes:
        share: the share, from 0 to 1.
        route: the name of Envoy's route; "" if none matched.
        conditions: the conditions of its match.
        rule: what objects say of the rule; None where that is not known.
        near_misses: routes that would have come before, but for one thing.
        filters: the HTTP filters that run, in their order.
        status: what the gateway itself answers; 0 if the request goes to a backend.
        location: where it redirects to.
        body: the body of its answer.
        response_changes: the changes of the answer's headers.
        destinations: the clusters that requests go to.
        mirrors: the clusters that get copies.
        timeout: the seconds until the end of the response, 0 for no limit.
        idle_timeout: the seconds without a byte after which the request is given up, 0 for no limit.
        retries: the retries; None without any.
        problem: why the request is not served; "" if it is.
    """

    share: float
    route: str = ""
    conditions: tuple[str, ...] = ()
    rule: RuleFacts | None = None
    near_misses: tuple[NearMiss, ...] = ()
    filters: tuple[EnabledFilter, ...] = ()
    status: int = 0
    location: str = ""
    body: str = ""
    response_changes: tuple[HeaderEdit, ...] = ()
    destinations: tuple[Destination, ...] = ()
    mirrors: tuple[MirrorTarget, ...] = ()
    timeout: float | None = None
    idle_timeout: float | None = None
    retries: Retries | None = None
    problem: str = ""

    @property
    def problems(self) -> tuple[str, ...]:
        """Why it is not served, or some of it is not."""
        found = [(self.share, self.problem), *((self.share * each.share, each.problem) for each in self.destinations)]
        return tuple(dict.fromkeys(_of_share(share, problem) for share, problem in found if problem))


def _of_share(share: float, problem: str) -> str:
    return problem if share >= 1 else f"{share * 100:.4g}% of requests: {problem}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What becomes of a request at a Gateway.

    Attributes:
        gateway: the "namespace/name" of the Gateway.
        listener: the name of Envoy's listener; "" if there is none for the port.
        listeners: the listeners of the Gateway and its ListenerSets on the port.
        policies: the effective fields of the policies for the listener itself.
        filter_chain: the name of the filter chain.
        route_configuration: the name of the route configuration.
        virtual_host: the name of the virtual host.
        path: the normalised path, with its query.
        grpc: whether it is a request of gRPC, to which the gateway's own answers are statuses of gRPC.
        outcomes: what may become of the request; several where chance decides.
        problem: why the request reaches no route; "" if it does.
    """

    gateway: str
    listener: str = ""
    listeners: tuple[str, ...] = ()
    policies: tuple[PolicyField, ...] = ()
    filter_chain: str = ""
    route_configuration: str = ""
    virtual_host: str = ""
    path: str = ""
    grpc: bool = False
    outcomes: tuple[RequestOutcome, ...] = field(default=())
    problem: str = ""

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the request is not served, or some such requests are not."""
        return tuple(
            dict.fromkeys([*filter(None, (self.problem,)), *(p for each in self.outcomes for p in each.problems)])
        )

    @property
    def served(self) -> bool:
        """Whether every such request is served."""
        return not self.problems
