"""The providers of traces of ListenerPolicies, as Envoy's tracers have them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import Message

from headgate_proto.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from headgate_proto.envoy.config.core.v3.http_service_pb2 import HttpService
from headgate_proto.envoy.config.trace.v3.datadog_pb2 import DatadogConfig
from headgate_proto.envoy.config.trace.v3.opentelemetry_pb2 import OpenTelemetryConfig
from headgate_proto.envoy.config.trace.v3.zipkin_pb2 import ZipkinConfig
from headgate_proto.envoy.extensions.tracers.opentelemetry.resource_detectors.v3 import (
    environment_resource_detector_pb2 as environment_pb2,
)
from headgate_proto.envoy.extensions.tracers.opentelemetry.resource_detectors.v3 import (
    static_config_resource_detector_pb2 as static_pb2,
)
from headgate_proto.envoy.extensions.tracers.opentelemetry.samplers.v3.always_on_sampler_pb2 import (
    AlwaysOnSamplerConfig,
)
from headgate_proto.envoy.extensions.tracers.opentelemetry.samplers.v3.cel_sampler_pb2 import CELSamplerConfig
from headgate_proto.envoy.extensions.tracers.opentelemetry.samplers.v3.parent_based_sampler_pb2 import (
    ParentBasedSamplerConfig,
)
from headgate_proto.envoy.extensions.tracers.opentelemetry.samplers.v3.trace_id_ratio_based_sampler_pb2 import (
    TraceIdRatioBasedSamplerConfig,
)
from translator.envoy.cel import cel_expression
from translator.envoy.fractions import write_share
from translator.envoy.grpc_service import GrpcCall, grpc_service
from translator.envoy.names import cluster_name
from translator.extensions.collector_headers import with_headers
from translator.ir.backend import Backend
from translator.languages import cel
from translator.objects.gateway_api.references import BackendObjectReference
from translator.objects.headgate.collectors import CollectorHeaders, CollectorService
from translator.objects.headgate.traceproviders import (
    DatadogTraces,
    OpenTelemetryTraces,
    ResourceDetector,
    Sampler,
    TraceHttpService,
    TraceProvider,
    ZipkinTraces,
)
from translator.outcome import Outcome
from translator.providers import ProviderContext

OTLP_PATH: Final = "/v1/traces"
ZIPKIN_PATH: Final = "/api/v2/spans"
CALL_TIMEOUT: Final = 5000
"""How long a call of a collector by HTTP may take, in milliseconds."""
UNKNOWN_YET: Final = frozenset({"response", "upstream"})
"""What is not known of a request when its span begins."""
SAMPLERS: Final = "envoy.tracers.opentelemetry.samplers"
DETECTORS: Final = "envoy.tracers.opentelemetry.resource_detectors"


@dataclass(frozen=True, slots=True)
class HttpCollector:
    """A collector that is called by HTTP.

    Attributes:
        backend: the service.
        authority: the host that it is called by.
        path: the path that takes spans.
        timeout: how long a call may take, in milliseconds.
    """

    backend: Backend
    authority: str
    path: str
    timeout: int = CALL_TIMEOUT

    def message(self) -> HttpService:
        """Return the ``HttpService``."""
        made = HttpService()
        made.http_uri.uri = f"http://{self.authority}{self.path}"
        made.http_uri.cluster = cluster_name(self.backend)
        made.http_uri.timeout.FromMilliseconds(self.timeout)
        return made


@dataclass(frozen=True, slots=True)
class OpenTelemetry:
    """Spans go out by OTLP."""

    collector: GrpcCall | HttpCollector
    spec: OpenTelemetryTraces

    @property
    def backend(self) -> Backend:
        """The collector."""
        return self.collector.backend

    def config(self, service: str) -> tuple[str, Message]:
        """Return the tracer and its configuration; `service` is the name of the Gateway."""
        made = OpenTelemetryConfig(service_name=self.spec.service_name or service)
        if isinstance(self.collector, GrpcCall):
            made.grpc_service.CopyFrom(grpc_service(self.collector))
        else:
            made.http_service.CopyFrom(self.collector.message())
        made.resource_detectors.extend(_detector(each) for each in self.spec.resource_detectors or ())
        if self.spec.sampler is not None:
            made.sampler.CopyFrom(_sampler(self.spec.sampler))
        return "envoy.tracers.opentelemetry", made


@dataclass(frozen=True, slots=True)
class Zipkin:
    """Spans go out as Zipkin's JSON."""

    collector: HttpCollector
    spec: ZipkinTraces

    @property
    def backend(self) -> Backend:
        """The collector."""
        return self.collector.backend

    def config(self, _: str) -> tuple[str, Message]:
        """Return the tracer and its configuration; the proxies' own name is that of their Gateway."""
        made = ZipkinConfig(
            collector_cluster=cluster_name(self.backend),
            collector_endpoint=self.collector.path,
            collector_hostname=self.collector.authority,
            collector_endpoint_version=ZipkinConfig.HTTP_JSON,
            trace_id_128bit=self.spec.long_trace_ids is not False,
        )
        if self.spec.trace_context == "B3AndW3C":
            made.trace_context_option = ZipkinConfig.USE_B3_WITH_W3C_PROPAGATION
        if self.spec.shared_span_context is not None:
            made.shared_span_context.value = self.spec.shared_span_context
        return "envoy.tracers.zipkin", made


@dataclass(frozen=True, slots=True)
class Datadog:
    """Spans go out to Datadog's agent."""

    collector: HttpCollector
    spec: DatadogTraces

    @property
    def backend(self) -> Backend:
        """The agent."""
        return self.collector.backend

    def config(self, service: str) -> tuple[str, Message]:
        """Return the tracer and its configuration; `service` is the name of the Gateway."""
        made = DatadogConfig(
            collector_cluster=cluster_name(self.backend),
            collector_hostname=self.collector.authority,
            service_name=self.spec.service_name or service,
        )
        return "envoy.tracers.datadog", made


Exporter = OpenTelemetry | Zipkin | Datadog


def _detector(found: ResourceDetector) -> TypedExtensionConfig:
    if found.static_resource_detector is None:
        return _extension(f"{DETECTORS}.environment", environment_pb2.EnvironmentResourceDetectorConfig())
    static = static_pb2.StaticConfigResourceDetectorConfig()
    static.attributes.update({each.name: each.value for each in found.static_resource_detector.attributes})
    return _extension(f"{DETECTORS}.static_config", static)


def _sampler(found: Sampler) -> TypedExtensionConfig:
    if found.cel is not None:
        return _extension(f"{SAMPLERS}.cel", CELSamplerConfig(expression=cel_expression(found.cel)))
    if found.parent_based is not None:
        parent = ParentBasedSamplerConfig()
        parent.wrapped_sampler.CopyFrom(_by_ratio(found.parent_based.trace_id_ratio))
        return _extension(f"{SAMPLERS}.parent_based", parent)
    return _by_ratio(found.trace_id_ratio)


def _by_ratio(share: int | None) -> TypedExtensionConfig:
    if share is None:
        return _extension(f"{SAMPLERS}.always_on", AlwaysOnSamplerConfig())
    ratio = TraceIdRatioBasedSamplerConfig()
    write_share(ratio.sampling_percentage, share)
    return _extension(f"{SAMPLERS}.trace_id_ratio_based", ratio)


def _extension(name: str, config: Message) -> TypedExtensionConfig:
    made = TypedExtensionConfig(name=name)
    made.typed_config.Pack(config, deterministic=True)
    return made


def read_provider(context: ProviderContext) -> Outcome[Exporter | None]:
    """Read the provider of a policy; None with the problems if its spans cannot go anywhere."""
    found = context.value
    assert isinstance(found, TraceProvider)
    if found.zipkin is not None:
        zipkin = found.zipkin
        service = _http(zipkin.backend_ref, zipkin.authority, zipkin.path, zipkin.headers)
        collector = _collector(context, "zipkin", service, ZIPKIN_PATH)
        made = Zipkin(collector.value, zipkin) if collector.value is not None else None
        return Outcome(made, collector.problems)
    if found.datadog is not None:
        agent = _collector(context, "datadog", _http(found.datadog.backend_ref, found.datadog.authority), "/")
        return Outcome(Datadog(agent.value, found.datadog) if agent.value is not None else None, agent.problems)
    assert found.open_telemetry is not None
    return _open_telemetry(context, found.open_telemetry)


def _open_telemetry(context: ProviderContext, found: OpenTelemetryTraces) -> Outcome[Exporter | None]:
    for fault in _faults(found.sampler):
        return context.invalid("openTelemetry.sampler.cel", fault)
    called: Outcome[GrpcCall | None] | Outcome[HttpCollector | None]
    if found.grpc_service is not None:
        called = _grpc(context, found.grpc_service, "openTelemetry.grpcService")
    else:
        assert found.http_service is not None
        called = _collector(context, "openTelemetry.httpService", found.http_service, OTLP_PATH)
    return Outcome(OpenTelemetry(called.value, found) if called.value is not None else None, called.problems)


def _faults(sampler: Sampler | None) -> Iterator[str]:
    condition = sampler.cel if sampler is not None else None
    if condition is not None and (unknown := sorted(cel.roots(condition) & UNKNOWN_YET)):
        yield f"{unknown[0]} is not known yet when a span begins: use what the request says."


def _grpc(context: ProviderContext, found: CollectorService, field: str) -> Outcome[GrpcCall | None]:
    call = context.grpc(found, field)
    if call.value is None or not found.headers:
        return call
    made = _with_headers(context, Outcome(call.value.backend, call.problems), found.headers, field)
    return Outcome(call.value._replace(backend=made.value) if made.value is not None else None, made.problems)


def _http(
    reference: BackendObjectReference, authority: str | None, path: str | None = None, headers: CollectorHeaders = None
) -> TraceHttpService:
    return TraceHttpService.model_construct(
        backend_ref=reference, authority=authority, path=path, request_timeout=None, headers=headers
    )


def _with_headers(
    context: ProviderContext, backend: Outcome[Backend | None], headers: CollectorHeaders, field: str
) -> Outcome[Backend | None]:
    return with_headers(context.db, context.owner, backend, headers, f"{context.field}.{field}")


def _collector(
    context: ProviderContext, field: str, found: TraceHttpService, path: str
) -> Outcome[HttpCollector | None]:
    called = context.backend(found.backend_ref, f"{field}.backendRef")
    backend = _with_headers(context, called, found.headers, field)
    if backend.value is None:
        return Outcome(None, backend.problems)
    key = backend.value.key
    made = HttpCollector(
        backend.value,
        found.authority or f"{key.name}.{key.namespace}",
        found.path or path,
        found.request_timeout or CALL_TIMEOUT,
    )
    return Outcome(made, backend.problems)
