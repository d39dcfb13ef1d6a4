"""Where the spans of a listener's requests go: the providers of traces of ListenerPolicies."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StringConstraints

from translator.objects.gateway_api.references import BackendObjectReference
from translator.objects.headgate.collectors import CollectorHeaders, CollectorService
from translator.objects.headgate.expressions import Condition
from translator.objects.headgate.types import Share
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, exactly_one
from translator.objects.schema.documentation import Doc
from translator.objects.schema.merging import ATOMIC
from translator.objects.schema.scalars import AUTHORIZER_PATH, ONE_LINE, Boolean, PositiveMilliseconds, PreciseHostname

MOST_DETECTORS: Final = 4
MOST_RESOURCE_ATTRIBUTES: Final = 32

ServiceName = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=ONE_LINE)]
Path = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=AUTHORIZER_PATH)]
Value = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=ONE_LINE)]
AttributeName = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=ONE_LINE)]


class OneOf(CheckedFields):
    """A struct of which exactly one field has to be set; `beside` are fields that do not count."""

    beside: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        """Add the rule to those of a subclass, which knows the fields."""
        super().__pydantic_init_subclass__(**kwargs)
        names = cls._aliases()
        cls.rules = (exactly_one(*names.values()), *cls.rules)
        cls.one_of = (tuple(names),)

    @classmethod
    def _aliases(cls) -> dict[str, str]:
        return {name: info.alias or name for name, info in cls.model_fields.items() if name not in cls.beside}

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one member is set."""
        names = type(self)._aliases()
        given = [alias for name, alias in names.items() if getattr(self, name) is not None]
        if len(given) != 1:
            found = f"; set are: {', '.join(given)}" if given else ""
            yield FieldViolation((), f"must have exactly one of {', '.join(names.values())}{found}")


class TraceHttpService(Fields):
    """A service that takes traces by HTTP."""

    backend_ref: BackendObjectReference
    """The service: of another namespace only where a ReferenceGrant permits it."""
    path: Annotated[Path | None, Doc(envoy="HttpUri.uri")] = None
    """The path that takes them. By default `/v1/traces`."""
    authority: Annotated[PreciseHostname | None, Doc(envoy="HttpUri.uri")] = None
    """The host that the service is called by. By default its name and namespace, `collector.observability`."""
    request_timeout: Annotated[PositiveMilliseconds | None, Doc(envoy="HttpUri.timeout")] = None
    """How long a call may take. By default 5s."""
    headers: CollectorHeaders = None
    """Headers of all calls, such as keys. By default none."""


class EnvironmentDetector(Fields):
    """Reads the environment variable `OTEL_RESOURCE_ATTRIBUTES` of the proxies; it is written ``{}``."""


class ResourceAttribute(Fields):
    """An attribute of the resource that all spans are of."""

    name: AttributeName
    """Its name, such as `deployment.environment`."""
    value: Value
    """Its value."""


class StaticDetector(Fields):
    """Attributes that are the same for all spans."""

    attributes: Annotated[tuple[ResourceAttribute, ...], Field(min_length=1, max_length=MOST_RESOURCE_ATTRIBUTES)]
    """The attributes."""


class ResourceDetector(OneOf):
    """A source of attributes of the resource that spans are of: exactly one."""

    environment_resource_detector: Annotated[
        EnvironmentDetector | None, Doc(envoy="EnvironmentResourceDetectorConfig")
    ] = None
    """The environment of the proxies."""
    static_resource_detector: Annotated[
        StaticDetector | None, Doc(envoy="StaticConfigResourceDetectorConfig.attributes")
    ] = None
    """Attributes that are given here."""


class AlwaysOn(Fields):
    """Samples every request; it is written ``{}``."""


class ParentBased(OneOf):
    """What decides about requests without a parent."""

    always_on_config: AlwaysOn | None = None
    """They are all sampled."""
    trace_id_ratio: Annotated[Share | None, Doc(envoy="TraceIdRatioBasedSamplerConfig.sampling_percentage")] = None
    """The share of them that is sampled."""


class Sampler(OneOf):
    """Chooses, of the requests that the shares have chosen, those whose spans are sent: exactly one member."""

    always_on_config: Annotated[AlwaysOn | None, Doc(envoy="AlwaysOnSamplerConfig")] = None
    """All of them, whatever their parents say."""
    trace_id_ratio: Annotated[Share | None, Doc(envoy="TraceIdRatioBasedSamplerConfig.sampling_percentage")] = None
    """A share, by the identifier of the trace: every proxy and service with the same share chooses the same traces."""
    parent_based: Annotated[ParentBased | None, ATOMIC, Doc(envoy="ParentBasedSamplerConfig")] = None
    """Those whose parent was sampled; of requests without a parent, what is said here."""
    cel: Annotated[Condition | None, Doc(envoy="CELSamplerConfig.expression")] = None
    """Those for which a condition in CEL holds, such as `request.path.startsWith('/pay')`."""


class OpenTelemetryTraces(CheckedFields):
    """Sends spans to an OpenTelemetry collector, by OTLP."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "has(self.grpcService) != has(self.httpService)", "exactly one of grpcService and httpService must be set"
        ),
    )
    one_of: ClassVar[tuple[tuple[str, ...], ...]] = (("grpc_service", "http_service"),)

    grpc_service: Annotated[CollectorService | None, ATOMIC, Doc(envoy="OpenTelemetryConfig.grpc_service")] = None
    """A collector that takes them by gRPC, mostly at port 4317."""
    http_service: Annotated[TraceHttpService | None, ATOMIC, Doc(envoy="OpenTelemetryConfig.http_service")] = None
    """A collector that takes them by HTTP, mostly at port 4318."""
    service_name: Annotated[ServiceName | None, Doc(envoy="OpenTelemetryConfig.service_name")] = None
    """The name by which the traces call the Gateway. By default its name and namespace, `public.infra`."""
    resource_detectors: Annotated[
        tuple[ResourceDetector, ...] | None,
        Field(max_length=MOST_DETECTORS),
        Doc(envoy="OpenTelemetryConfig.resource_detectors"),
    ] = None
    """Sources of more attributes of the resource that spans are of. By default none."""
    sampler: Annotated[Sampler | None, ATOMIC, Doc(envoy="OpenTelemetryConfig.sampler")] = None
    """Chooses requests beside the shares. By default all that the shares have chosen, and whose parent was sampled."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless there is exactly one service."""
        if (self.grpc_service is None) == (self.http_service is None):
            yield FieldViolation((), "must have exactly one of grpcService and httpService")


class ZipkinTraces(Fields):
    """Sends spans to Zipkin, or what takes the same (Jaeger, a collector), as JSON."""

    backend_ref: BackendObjectReference
    """The service: of another namespace only where a ReferenceGrant permits it."""
    path: Annotated[Path | None, Doc(envoy="ZipkinConfig.collector_endpoint")] = None
    """The path that takes them. By default `/api/v2/spans`."""
    authority: Annotated[PreciseHostname | None, Doc(envoy="ZipkinConfig.collector_hostname")] = None
    """The host that the service is called by. By default its name and namespace, `zipkin.observability`."""
    trace_context: Annotated[Literal["B3", "B3AndW3C"] | None, Doc(envoy="ZipkinConfig.trace_context_option")] = None
    """The headers that carry a trace on: those of B3, or the `traceparent` of W3C too. By default B3."""
    long_trace_ids: Annotated[
        Boolean | None, Field(alias="traceId128Bit"), Doc(envoy="ZipkinConfig.trace_id_128bit")
    ] = None
    """Whether new traces have identifiers of 128 bits. By default true."""
    shared_span_context: Annotated[Boolean | None, Doc(envoy="ZipkinConfig.shared_span_context")] = None
    """Whether the span of the proxy has the identifier of the client's span. By default true."""
    headers: CollectorHeaders = None
    """Headers of all calls, such as keys. By default none."""


class DatadogTraces(Fields):
    """Sends spans to Datadog's agent."""

    backend_ref: BackendObjectReference
    """The agent, mostly at port 8126: of another namespace only where a ReferenceGrant permits it."""
    authority: Annotated[PreciseHostname | None, Doc(envoy="DatadogConfig.collector_hostname")] = None
    """The host that the agent is called by. By default its name and namespace, `agent.observability`."""
    service_name: Annotated[ServiceName | None, Doc(envoy="DatadogConfig.service_name")] = None
    """The name by which the traces call the Gateway. By default its name and namespace, `public.infra`."""


class TraceProvider(OneOf):
    """Where spans go: exactly one."""

    open_telemetry: Annotated[OpenTelemetryTraces | None, Doc(envoy="OpenTelemetryConfig")] = None
    """An OpenTelemetry collector, or what speaks OTLP."""
    zipkin: Annotated[ZipkinTraces | None, ATOMIC, Doc(envoy="ZipkinConfig")] = None
    """Zipkin, or what takes the same."""
    datadog: Annotated[DatadogTraces | None, ATOMIC, Doc(envoy="DatadogConfig")] = None
    """Datadog's agent."""
