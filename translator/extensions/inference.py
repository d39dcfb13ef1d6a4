"""InferencePools: model servers as one backend, among which an endpoint picker chooses for each request.

The picker is asked by a filter of the routes. Its choice is an endpoint of the pool's cluster; what else it says does
not count, so that no picker can send requests elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from translator.backends import pods
from translator.backends.reference import for_calls, not_found
from translator.backends.service import connection, declared_port
from translator.db import Db
from translator.engine.query import query
from translator.envoy.endpoint_picker import (
    write_balancing,
    write_failing_ends,
    write_picker,
    write_picker_chain,
)
from translator.envoy.grpc_service import GrpcCall
from translator.envoy.hooks import ClusterHook, RouteHook
from translator.extension import Extension
from translator.extensions.upstream_tls_fields import ConfiguredTls
from translator.ir.backend import LAST, Backend, BackendEndpoint, BackendKey, BackendSetting, Protocol
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.kinds import BackendKind
from translator.objects.inference.inferencepool import FAIL_OPEN, H2C, EndpointPickerRef, InferencePool
from translator.objects.kubernetes.service import Service
from translator.outcome import Outcome, Problem, not_resolved
from translator.own_addresses import OwnAddress, reached
from translator.policies.backends import with_policies
from translator.refs import Ref

FIELD: Final = "spec.endpointPickerRef"
INVALID: Final = "InvalidExtensionRef"
PLAIN: Final = frozenset({H2C, "h2c"})
"""What the port of a picker's Service says (`appProtocol`) that is not served by TLS."""
MOST_MORE_MILLISECONDS: Final = 1000
"""How much longer than its time a request takes at most whose picker says nothing: a quarter of that time, or this."""
MOST_ERRORS: Final = 5
"""How many errors in a row a picker may answer without which requests are to go on."""
EJECTED_SECONDS: Final = 10
"""How long a picker that answers errors is not asked then."""
CHECK_SECONDS: Final = 1
"""How often is looked whether a picker is there, without which requests are to go on."""


@dataclass(frozen=True, slots=True)
class PickedEndpoint(BackendSetting, ClusterHook):
    """Requests go to the endpoint that was picked for them."""

    order: ClassVar[int] = LAST
    overrules: ClassVar[Mapping[str, str]] = {
        "load_balancer": "the endpoint picker of the pool chooses; remove the field, or configure the picker"
    }

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write the policy in place of any other."""
        write_balancing(cluster)


@dataclass(frozen=True, slots=True)
class PickerOfRoutes(BackendSetting):
    """The routes to a pool ask its picker.

    Attributes:
        picker: the picker.
        fail_open: whether requests go on without it.
    """

    for_clients_only: ClassVar[bool] = True
    routes_only: ClassVar[str] = (
        "an InferencePool is for the backendRefs of routes, which ask its endpoint picker; refer to a Service"
    )
    picker: Backend
    fail_open: bool

    def rule_settings(self, protocol: str) -> tuple[object, ...]:
        """Return what has a route ask."""
        return (AskedPicker(self.picker, self.fail_open),)


@dataclass(frozen=True, slots=True)
class AskedPicker(RuleSetting, RouteHook):
    """A picker is asked about each request.

    Attributes:
        picker: the picker.
        fail_open: whether requests go on without it.
    """

    forwarding: ClassVar[bool] = True
    own_route: ClassVar[bool] = True
    picker: Backend
    fail_open: bool

    @property
    def is_final(self) -> bool:
        """It is: the time that requests have, whoever says it, is theirs at the picker too."""
        return True

    @property
    def proxyless_fault(self) -> str:
        """They cannot ask it."""
        return ": an InferencePool has an endpoint picker, which gRPC clients do not ask"

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The picker."""
        return (self.picker,)

    def with_backends(self, change: Callable[[Backend], Backend]) -> AskedPicker:
        """Change the picker."""
        return replace(self, picker=change(self.picker))

    @property
    def for_first_route(self) -> tuple[RuleSetting, ...]:
        """The filter, which asks the picker of the route that is picked."""
        return (PickerChain(self.picker),)

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the filter into the slot of what kinds of backends need, and whom it asks."""
        write_picker(route, GrpcCall(self.picker), fail_open=self.fail_open)
        # Envoy counts it from when a request is sent to an endpoint: while the picker has it, silence is what ends it.
        action = route.route
        if action.timeout.ToNanoseconds() and not action.HasField("idle_timeout"):
            action.idle_timeout.CopyFrom(action.timeout)
            if not action.HasField("max_stream_duration"):
                # The answer to silence passes the picker too, and waits for it: what comes then has it sent.
                milliseconds = action.timeout.ToMilliseconds()
                more = min(milliseconds // 4, MOST_MORE_MILLISECONDS)
                action.max_stream_duration.max_stream_duration.FromMilliseconds(milliseconds + more)


@dataclass(frozen=True, slots=True)
class PickerChain(RuleSetting, RouteHook):
    """Requests whose route is picked again may ask a picker then.

    Attributes:
        picker: any picker.
    """

    picker: Backend

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The picker."""
        return (self.picker,)

    def with_backends(self, change: Callable[[Backend], Backend]) -> PickerChain:
        """Change the picker."""
        return replace(self, picker=change(self.picker))

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the filter into the slot of what kinds of backends need."""
        write_picker_chain(route, GrpcCall(self.picker))


@dataclass(frozen=True, slots=True)
class FailingEnds(BackendSetting, ClusterHook):
    """A picker that ends a stream before its request and response are done has failed."""

    order: ClassVar[int] = LAST

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write the filter."""
        write_failing_ends(cluster)


@dataclass(frozen=True, slots=True)
class CheckedPicker(BackendSetting, ClusterHook):
    """Pickers that do not take connections are known not to, so that requests do not wait for them.

    Envoy lets requests go on without a processor as long as it knows of none that works. Its own service of health is
    at a port that the pool does not name.
    """

    order: ClassVar[int] = LAST

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write what finds pickers that are down, unless policies say it, and that those are not tried at all.

        Once a body was sent to a picker, requests do not go on without it: so those that answer errors are left out.
        """
        if not cluster.HasField("outlier_detection"):
            found = cluster.outlier_detection
            found.consecutive_5xx.value = MOST_ERRORS
            found.enforcing_consecutive_5xx.value = found.max_ejection_percent.value = 100
            found.enforcing_consecutive_gateway_failure.value = found.enforcing_success_rate.value = 0
            found.interval.seconds = CHECK_SECONDS
            found.base_ejection_time.seconds = found.max_ejection_time.seconds = EJECTED_SECONDS
        cluster.common_lb_config.healthy_panic_threshold.value = 0
        # A pod that is gone is not asked for as long as its last check was good.
        cluster.ignore_health_on_host_removal = True
        if cluster.health_checks:
            return
        check = cluster.health_checks.add()
        check.tcp_health_check.SetInParent()
        for each in (check.timeout, check.interval, check.no_traffic_interval):
            each.seconds = CHECK_SECONDS
        check.unhealthy_threshold.value = check.healthy_threshold.value = 1


@query
def picker(db: Db, pool: Ref) -> Outcome[Backend | None]:
    """Return the picker of a pool as a backend, or why there is none; messages begin with the field."""
    found = db.get(InferencePool, pool)
    if found is None:
        return Outcome(None)
    named = found.spec.endpoint_picker_ref
    if named is None:
        text = f"{FIELD}: is missing, so nobody picks an endpoint and requests are refused; name the picker's Service."
        return Outcome(None, (Problem("Accepted", "EndpointPickerRefMissing", text),))
    if (named.group, named.kind) != ("", Service.kind) or named.port is None:
        text = f"{FIELD}: a {named.kind} is not supported as an endpoint picker; refer to a Service, with its port."
        return not_resolved(INVALID, text)
    resolved = _service(db, pool, named, named.port.number)
    meanwhile = ""
    if resolved.value is None:
        meanwhile = " Requests get 500 until then."
        if named.failure_mode == FAIL_OPEN:
            meanwhile = " Until then requests go to any of the pods, as failureMode says."
    told = (each._replace(message=f"{FIELD}: {each.message}{meanwhile}") for each in resolved.problems)
    return Outcome(resolved.value, tuple(each._replace(condition="ResolvedRefs", reason=INVALID) for each in told))


def _service(db: Db, pool: Ref, named: EndpointPickerRef, number: int) -> Outcome[Backend | None]:
    """Return the picker that is a port of a Service."""
    ref = Ref(Service.kind, pool.namespace, named.name)
    service = db.get(Service, ref)
    if service is not None and service.spec.type == "ExternalName":
        # Implementations MUST NOT support them (`EndpointPickerRef.kind`).
        text = f"{ref} is of type ExternalName, which a picker must not be; let it select the picker's pods."
        return not_resolved(INVALID, text)
    resolved = for_calls(connection(db, ref, number, False), str(ref))
    if resolved.value is None or service is None:
        return Outcome(None, resolved.problems)
    port = declared_port(service, number)
    plain = port is not None and (port.app_protocol or "").lower() in PLAIN
    settings = (*resolved.value.settings, FailingEnds())
    if not plain and not any(each.encrypts for each in settings):
        # The reference picker makes itself a certificate at each start, which nobody can verify.
        settings = (*settings, ConfiguredTls("", verifies=False))
    if named.failure_mode == FAIL_OPEN:
        settings = (*settings, CheckedPicker())
    return Outcome(replace(resolved.value, protocol=Protocol.H2C.value, settings=settings), resolved.problems)


@query
def problems(db: Db, ref: Ref) -> tuple[Problem, ...]:
    """Return what is wrong with a pool, as the conditions of its status."""
    own = _own(db, ref)
    return (*picker(db, ref).problems, *((own,) if own is not None else ()))


def _own(db: Db, ref: Ref) -> Problem | None:
    """Return the problem that a pod of a pool is Headgate itself, which only files could say."""
    found = db.get(InferencePool, ref)
    if found is None or not db.settings.own or not db.settings.standalone:
        return None
    for pod in pods.pods_with(db, ref.namespace, found.spec.selector.match_labels):
        serving = pods.serving_pod(db, pod)
        for each in found.spec.target_ports if serving is not None else ():
            own: OwnAddress | None = reached(db.settings.own, serving.address, each.number) if serving else None
            if own is not None:
                text = f"spec.selector: {pod} is at {own.use}, port {own.port}, where no route may lead; use another."
                return Problem("Accepted", "UnsupportedValue", text)
    return None


@query(firewall=True)
def backend(db: Db, ref: Ref, port: int) -> Outcome[Backend | None]:
    """Return the backend that a pool is, whatever port a reference names, or why it can be none."""
    found = db.get(InferencePool, ref)
    if found is None:
        return not_found(db, ref)
    asked, wrong = picker(db, ref), problems(db, ref)
    named = found.spec.endpoint_picker_ref
    fail_open = named is not None and named.failure_mode == FAIL_OPEN
    told = tuple(Problem("ResolvedRefs", "InvalidBackend", f"{ref}: {each.message}") for each in wrong)
    if any(each not in asked.problems for each in wrong) or (asked.value is None and not fail_open):
        return Outcome(None, told)
    settings: tuple[BackendSetting, ...] = ()
    if asked.value is not None:
        settings = (PickedEndpoint(), PickerOfRoutes(asked.value, fail_open))
    # Without a field appProtocol it is HTTP/1.1, whatever the route speaks.
    protocol = Protocol.H2C if found.spec.app_protocol == H2C else Protocol.HTTP1
    made = Backend(BackendKey(*ref), 0, protocol.value, settings=settings)
    return with_policies(db, ref, "", Outcome(made, told))


@query
def endpoints(db: Db, found: Backend) -> tuple[BackendEndpoint, ...]:
    """Return the endpoints of a pool: its ready pods, each at all of its ports.

    If none is ready, those that are about to go, as for Services.
    """
    ref = Ref(*found.key)
    pool = db.get(InferencePool, ref)
    if pool is None:
        return ()
    selected = pods.pods_with(db, ref.namespace, pool.spec.selector.match_labels)
    every = {
        BackendEndpoint(pod.address, port.number, pod.zone, draining=pod.terminating)
        for pod in (pods.serving_pod(db, each) for each in selected)
        if pod is not None
        for port in pool.spec.target_ports
    }
    ready = [each for each in every if not each.draining]
    return tuple(sorted(ready or every))


@query(firewall=True)
def is_empty(db: Db, found: Backend) -> bool:
    """Return whether a pool has no pod at all, not even one that is not ready."""
    pool = db.get(InferencePool, Ref(*found.key))
    return pool is None or not pods.pods_with(db, found.key.namespace, pool.spec.selector.match_labels)


EXTENSION = Extension(
    "InferencePool",
    backends=(
        BackendKind(
            InferencePool,
            backend,
            endpoints,
            is_empty=is_empty,
            problems=problems,
            protocol_field="appProtocol, by default http,",
        ),
    ),
)
