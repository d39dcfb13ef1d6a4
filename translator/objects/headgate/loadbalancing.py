"""The field `loadBalancer` of BackendConfigPolicies: how an endpoint is chosen."""

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, PlainValidator, StrictInt
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from translator.objects.headgate.admission import Percent
from translator.objects.headgate.forwarding import HashPolicy
from translator.objects.headgate.types import int_or_string
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, unique
from translator.objects.schema.documentation import Doc, TypeName
from translator.objects.schema.scalars import (
    Boolean,
    Count,
    HeaderName,
    LabelValue,
    Milliseconds,
    PortNumber,
    PositiveCount,
    PositiveMilliseconds,
)

_AGAIN: Final = "is in the list already: remove it"
WholePercent = Annotated[StrictInt, Field(ge=0, le=100)]
_FACTOR: Final = re.compile(r"([0-9]{1,3})(?:[.]([0-9]{1,3}))?")


def _factor(value: object) -> int:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and (found := _FACTOR.fullmatch(text)):
        thousandths = int(found[1]) * 1000 + int((found[2] or "").ljust(3, "0"))
        if thousandths:
            return thousandths
    raise PydanticCustomError(
        "factor", "must be a positive number below 1000, with a fraction as a string like '1.5', of up to three digits"
    )


Factor = Annotated[
    int,
    PlainValidator(_factor),
    int_or_string(
        "type(self) == int ? self > 0 && self < 1000"
        " : self.matches('^[0-9]{1,3}([.][0-9]{1,3})?$') && self.matches('[1-9]')",
        "must be a positive number below 1000, with a fraction as a string like '1.5', of up to three digits",
    ),
    TypeName("number, or a string like `1.5`"),
]
"""A positive number, held in thousandths."""
MAX_RING: Final = 262_144
"""The most entries of a ring. Envoy makes it anew, on its main thread, for each edit of endpoints: of so many in 50 ms,
of 8,388,608, its own most, in seconds, in which the proxy takes no configuration for anybody."""
MAX_TABLE: Final = 1_000_003
"""The most entries of a table of Maglev: a prime, and as many as are made in 100 ms."""
RingSize = Annotated[StrictInt, Field(ge=1, le=MAX_RING)]


class SlowStart(Fields):
    """Gives an endpoint that is new fewer requests at first, and more the older it is."""

    window: Annotated[PositiveMilliseconds, Doc(envoy="SlowStartConfig.slow_start_window")]
    """The age at which an endpoint gets its whole share."""
    aggression: Annotated[Factor | None, Doc(envoy="SlowStartConfig.aggression")] = None
    """How soon the share grows: with 1 evenly, with more the sooner. By default 1."""
    min_weight_percent: Annotated[Percent | None, Doc(envoy="SlowStartConfig.min_weight_percent")] = None
    """The least share, in percent of the whole one. By default 10."""


class LeastRequest(Fields):
    """Of some endpoints, picked at random, the one with the fewest requests in flight."""

    choice_count: Annotated[
        Annotated[StrictInt, Field(ge=2, le=100)] | None, Doc(envoy="LeastRequest.choice_count", default="2")
    ] = None
    """How many endpoints are compared."""
    slow_start: SlowStart | None = None
    """Spares endpoints that are new."""


class RoundRobin(Fields):
    """One endpoint after the other."""

    slow_start: SlowStart | None = None
    """Spares endpoints that are new."""


class Random(Fields):
    """An endpoint at random."""


HashPolicies = Annotated[
    tuple[HashPolicy, ...] | None,
    Field(min_length=1, max_length=8),
    Doc(envoy="ConsistentHashingLbConfig.hash_policy"),
]
Hostnames = Annotated[Boolean | None, Doc(envoy="ConsistentHashingLbConfig.use_hostname_for_hashing")]


class RingHash(CheckedFields):
    """Endpoints on a ring, of which a request gets the next one behind its hash."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.minimumRingSize) || !has(self.maximumRingSize) || self.minimumRingSize <= self.maximumRingSize",
            "must not be less than minimumRingSize: correct one of them",
            "maximumRingSize",
        ),
        CelRule(
            "has(self.minimumRingSize) || !has(self.maximumRingSize) || self.maximumRingSize >= 1024",
            "must not be less than 1024, unless minimumRingSize is: set that too",
            "maximumRingSize",
        ),
    )

    minimum_ring_size: Annotated[RingSize | None, Doc(envoy="RingHash.minimum_ring_size")] = None
    """The least entries of the ring: the more, the more alike the shares are. By default 1024."""
    maximum_ring_size: Annotated[RingSize | None, Doc(envoy="RingHash.maximum_ring_size")] = None
    """The most entries, also where endpoints have weights. By default 262144."""
    use_hostname_for_hashing: Hostnames = None
    """Whether the names of endpoints are hashed in place of their addresses. By default false."""
    hash_policies: HashPolicies = None
    """What of requests is hashed. Without it, what TrafficPolicies say of the route (`hashPolicies`)."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if the least is more than the most."""
        if self.maximum_ring_size is None:
            return
        if self.minimum_ring_size is None:
            if self.maximum_ring_size < 1024:
                yield FieldViolation(("maximumRingSize",), self.rules[1].message)
        elif self.minimum_ring_size > self.maximum_ring_size:
            yield FieldViolation(("maximumRingSize",), self.rules[0].message)


class Maglev(Fields):
    """A table with all endpoints, of which a request gets the one at its hash; it moves few requests if they change."""

    table_size: Annotated[Annotated[StrictInt, Field(ge=2, le=MAX_TABLE)] | None, Doc(envoy="Maglev.table_size")] = None
    """The entries of the table, a prime number. By default 65537."""
    use_hostname_for_hashing: Hostnames = None
    """Whether the names of endpoints are hashed in place of their addresses. By default false."""
    hash_policies: HashPolicies = None
    """What of requests is hashed. Without it, what TrafficPolicies say of the route (`hashPolicies`)."""


class OutOfBandReports(Fields):
    """Reports that the proxy asks endpoints for, by gRPC (ORCA's `OpenRcaService`)."""

    reporting_period: Annotated[
        PositiveMilliseconds | None, Doc(envoy="ClientSideWeightedRoundRobin.oob_reporting_period")
    ] = None
    """How often endpoints report. By default 10s."""
    port: Annotated[PortNumber | None, Doc(envoy="OrcaOobReportingConfig.port_value")] = None
    """The port at which they are asked. By default that of requests."""


class Utilization(Fields):
    """Endpoints in turn, each as often as its reports of its utilization allow (ORCA)."""

    blackout_period: Annotated[Milliseconds | None, Doc(envoy="ClientSideWeightedRoundRobin.blackout_period")] = None
    """How long the reports of an endpoint that is new are not used. By default 10s."""
    weight_expiration_period: Annotated[
        Milliseconds | None, Doc(envoy="ClientSideWeightedRoundRobin.weight_expiration_period")
    ] = None
    """After how long without a report an endpoint gets the share of one that has none. By default 3m."""
    weight_update_period: Annotated[
        PositiveMilliseconds | None, Doc(envoy="ClientSideWeightedRoundRobin.weight_update_period")
    ] = None
    """How often shares are computed; not below 100ms. By default 1s."""
    error_utilization_penalty: Annotated[
        WholePercent | None, Doc(envoy="ClientSideWeightedRoundRobin.error_utilization_penalty")
    ] = None
    """How much errors count as utilization, in percent. By default 100."""
    metric_names: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=256)], ...] | None,
        Field(max_length=16),
        unique(None, _AGAIN),
        Doc(envoy="ClientSideWeightedRoundRobin.metric_names_for_computing_utilization"),
    ] = None
    """Metrics of reports, such as `named_metrics.queue`, that are the utilization where there is no
    `application_utilization`."""
    out_of_band: Annotated[
        OutOfBandReports | None, Doc(envoy="ClientSideWeightedRoundRobin.enable_oob_load_report")
    ] = None
    """Asks endpoints for reports. By default they are in the header `endpoint-load-metrics` of responses."""


ALGORITHMS: Final = ("least_request", "round_robin", "random", "ring_hash", "maglev", "utilization")
"""The names of the algorithms in the model."""


def _at_most_one(*names: str) -> CelRule:
    given = ", ".join(f"has(self.{each})" for each in names)
    return CelRule(f"[{given}].filter(x, x).size() <= 1", f"at most one of {', '.join(names)} must be set")


class EndpointOverride(Fields):
    """Lets requests name their endpoint."""

    header: Annotated[HeaderName, Doc(envoy="OverrideHost.override_host_sources.header")]
    """The header with its address and port, such as `10.0.0.7:8080`; of the backend's endpoints only."""
    fallback: Annotated[
        Literal["LeastRequest", "RoundRobin", "Random"] | None, Doc(envoy="OverrideHost.fallback_policy")
    ] = None
    """How the endpoint of other requests is chosen. By default LeastRequest."""


class ForceLocal(Fields):
    """Sends all requests to endpoints of the proxy's zone, however many proxies and endpoints the zones have."""

    min_endpoints_in_zone_threshold: Annotated[
        PositiveCount | None, Doc(envoy="ZoneAwareLbConfig.force_local_zone.min_size")
    ] = None
    """How many endpoints the zone must have for that. By default 1."""


class PreferLocal(Fields):
    """Prefers endpoints of the proxy's zone."""

    min_endpoints_threshold: Annotated[Count | None, Doc(envoy="ZoneAwareLbConfig.min_cluster_size")] = None
    """How many endpoints the backend must have for that. By default 6."""
    routing_enabled: Annotated[Percent | None, Doc(envoy="ZoneAwareLbConfig.routing_enabled")] = None
    """The share of requests, in percent, that prefer the zone. By default 100."""
    force: Annotated[ForceLocal | None, Doc(envoy="ZoneAwareLbConfig.force_local_zone")] = None
    """Has no request leave the zone while it has endpoints. By default as many leave it as evens out all endpoints."""


class ZoneAware(Fields):
    """Has requests stay in the zone of the proxy."""

    prefer_local: PreferLocal
    """How they do."""


class WeightedZone(Fields):
    """The weight of a zone."""

    zone: Annotated[LabelValue, Field(min_length=1)]
    """The zone, as EndpointSlices name it."""
    weight: Annotated[StrictInt, Field(ge=1, le=1_000_000)]
    """Its weight among the others."""


class LoadBalancer(CheckedFields):
    """How an endpoint is chosen: by an algorithm, in which zones, and what counts as an endpoint."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        _at_most_one(*map(to_camel, ALGORITHMS), "endpointOverride"),
        CelRule(
            "!has(self.zoneAware) || !(has(self.localityType) || has(self.weightedZones))",
            "must not be set together with localityType or weightedZones: remove it, or these",
            "zoneAware",
        ),
        CelRule(
            "!has(self.zoneAware) || !(has(self.ringHash) || has(self.maglev) || has(self.utilization))",
            "has no effect with ringHash, maglev and utilization: remove it, or set another algorithm",
            "zoneAware",
        ),
    )

    least_request: Annotated[LeastRequest | None, Doc(envoy="LeastRequest")] = None
    """The endpoint with the fewest requests, of some that are picked at random. This is what holds without a policy."""
    round_robin: Annotated[RoundRobin | None, Doc(envoy="RoundRobin")] = None
    """One endpoint after the other."""
    random: Annotated[Random | None, Doc(envoy="Random")] = None
    """An endpoint at random."""
    ring_hash: Annotated[RingHash | None, Doc(envoy="RingHash")] = None
    """The same endpoint for equal requests, on a ring."""
    maglev: Annotated[Maglev | None, Doc(envoy="Maglev")] = None
    """The same endpoint for equal requests, in a table."""
    utilization: Annotated[Utilization | None, Doc(envoy="ClientSideWeightedRoundRobin")] = None
    """Endpoints as often as they say that they can be used."""
    endpoint_override: EndpointOverride | None = None
    """The endpoint that a request names, in place of an algorithm."""
    healthy_panic_threshold: Annotated[
        WholePercent | None, Doc(envoy="Cluster.common_lb_config.healthy_panic_threshold")
    ] = None
    """The share of healthy endpoints, in percent, below which all get requests, so that the few are not overrun; with
    0, only healthy ones ever do. By default 50."""
    update_merge_window: Annotated[Milliseconds | None, Doc(envoy="Cluster.common_lb_config.update_merge_window")] = (
        None
    )
    """How long changes of the health of endpoints are gathered before they count. By default 1s."""
    locality_type: Annotated[
        Literal["WeightedLb"] | None, Doc(envoy="LocalityLbConfig.locality_weighted_lb_config")
    ] = None
    """With WeightedLb, a zone is chosen first, by the number of its endpoints or by `weightedZones`, then an endpoint
    of it; a zone whose endpoints become unhealthy gets less."""
    weighted_zones: Annotated[
        tuple[WeightedZone, ...] | None,
        Field(min_length=1, max_length=64),
        unique("zone", "is in the list already: remove it"),
        Doc(envoy="LocalityLbEndpoints.load_balancing_weight"),
    ] = None
    """The weights of zones; others have the weight 1."""
    zone_aware: Annotated[ZoneAware | None, Doc(envoy="LocalityLbConfig.zone_aware_lb_config")] = None
    """Has requests stay in the zone of the proxy."""
    close_connections_on_host_set_change: Annotated[
        Boolean | None, Doc(envoy="Cluster.common_lb_config.close_connections_on_host_set_change")
    ] = None
    """Whether all connections are closed when endpoints come or go, for an even share. By default false."""

    @property
    def weighs_zones(self) -> bool:
        """Whether a zone is chosen first, by weights."""
        return self.locality_type is not None or self.weighted_zones is not None

    def violations(self) -> Iterator[FieldViolation]:
        """Yield what does not go together."""
        given = [name for name in (*ALGORITHMS, "endpoint_override") if getattr(self, name) is not None]
        if len(given) > 1:
            yield FieldViolation((), self.rules[0].message)
        if self.zone_aware is not None:
            if self.weighs_zones:
                yield FieldViolation(("zoneAware",), self.rules[1].message)
            if any(each is not None for each in (self.ring_hash, self.maglev, self.utilization)):
                yield FieldViolation(("zoneAware",), self.rules[2].message)
