"""The field `httpSettings.tracing` of ListenerPolicies: the traces of a listener."""

from typing import Annotated, Final

from pydantic import Field

from translator.objects.headgate.expressions import Format
from translator.objects.headgate.traceproviders import TraceProvider
from translator.objects.headgate.tracing import TracingAttribute
from translator.objects.headgate.types import Disableable, Share
from translator.objects.schema.documentation import Doc
from translator.objects.schema.merging import ByKey
from translator.objects.schema.scalars import Boolean

LONGEST_PATH: Final = 16_384


class ListenerTracing(Disableable):
    """Traces requests of a listener."""

    provider: TraceProvider | None = None
    """Where the spans go. Without it, nothing is traced."""
    client_sampling: Annotated[Share | None, Doc(envoy="HttpConnectionManager.Tracing.client_sampling")] = None
    """Of requests with the header `x-client-trace-id`, the share that is traced. By default 100."""
    random_sampling: Annotated[Share | None, Doc(envoy="HttpConnectionManager.Tracing.random_sampling")] = None
    """The share of requests that is chosen at random. By default 100."""
    overall_sampling: Annotated[Share | None, Doc(envoy="HttpConnectionManager.Tracing.overall_sampling")] = None
    """The most that is traced, whoever chose it. By default 100."""
    attributes: Annotated[
        tuple[TracingAttribute, ...] | None,
        Field(max_length=32),
        ByKey("name"),
        Doc(envoy="HttpConnectionManager.Tracing.custom_tags"),
    ] = None
    """More attributes of spans. By default none."""
    span_name: Annotated[Format | None, Doc(envoy="HttpConnectionManager.Tracing.operation")] = None
    """The name of spans: a text with commands of Envoy's access logs. By default `ingress`; of Zipkin, the Host."""
    spawn_upstream_span: Annotated[Boolean | None, Doc(envoy="HttpConnectionManager.Tracing.spawn_upstream_span")] = (
        None
    )
    """Whether each call of a backend, also each retry, has a span of its own below that of the request. By default
    false."""
    upstream_span_name: Annotated[Format | None, Doc(envoy="HttpConnectionManager.Tracing.upstream_operation")] = None
    """The name of these: a text with commands of Envoy's access logs. By default `router`, the cluster and `egress`."""
    max_path_tag_length: Annotated[
        Annotated[int, Field(strict=True, ge=1, le=LONGEST_PATH)] | None,
        Doc(envoy="HttpConnectionManager.Tracing.max_path_tag_length"),
    ] = None
    """How much of a path is in a span, in characters. By default 256."""
    verbose: Annotated[Boolean | None, Doc(envoy="HttpConnectionManager.Tracing.verbose")] = None
    """Whether spans also say when each part of a request and response came and went. By default false."""


ListenerTraces = Annotated[ListenerTracing | None, Doc(envoy="HttpConnectionManager.Tracing")]
