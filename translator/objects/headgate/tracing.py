"""Fields of policies for the traces of requests."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StringConstraints

from translator.objects.headgate.expressions import Format
from translator.objects.headgate.types import Disableable, Share
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, exactly_one
from translator.objects.schema.documentation import Doc
from translator.objects.schema.merging import ByKey
from translator.objects.schema.scalars import HeaderName

StatPrefix = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=256)] | None,
    Doc(envoy="Route.stat_prefix", default="no statistics of routes"),
]
"""The name under which requests are counted."""

Value = Annotated[str, StringConstraints(min_length=1, max_length=2048)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=256)]
MEMBERS: Final = ("literal", "environment", "request_header", "metadata", "format")


class LiteralValue(Fields):
    """A value that is the same for all requests."""

    value: Value


class EnvironmentValue(Fields):
    """The value of an environment variable of the proxy."""

    name: Key
    default_value: Value | None = None
    """The value where it has none. By default the attribute is left out."""


class RequestHeaderValue(Fields):
    """The value of a header of the request."""

    name: HeaderName
    default_value: Value | None = None
    """The value of requests without it. By default the attribute is left out."""


class MetadataPathSegment(Fields):
    """One step into metadata."""

    key: Key


class MetadataKey(Fields):
    """Where a value is in metadata."""

    key: Key
    """The namespace, such as `envoy.filters.http.jwt_authn`."""
    path: Annotated[tuple[MetadataPathSegment, ...], Field(min_length=1, max_length=16)]
    """The steps from there."""


class MetadataValue(Fields):
    """A value in metadata."""

    kind: Literal["Request", "Route", "Cluster", "Host"] | None = None
    """Whose metadata. By default Request: what filters found out about it."""
    metadata_key: MetadataKey
    default_value: Value | None = None
    """The value where there is none. By default the attribute is left out."""


class TracingAttribute(CheckedFields):
    """An attribute of spans: its name, and exactly one source of its value."""

    one_of: ClassVar[tuple[tuple[str, ...], ...]] = (MEMBERS,)
    rules: ClassVar[tuple[CelRule, ...]] = (
        exactly_one(
            "literal",
            "environment",
            "requestHeader",
            "metadata",
            "format",
            message="exactly one of literal, environment, requestHeader, metadata and format must be set",
        ),
    )

    name: Key
    literal: LiteralValue | None = None
    environment: EnvironmentValue | None = None
    request_header: RequestHeaderValue | None = None
    metadata: MetadataValue | None = None
    format: Format | None = None
    """A text with commands of Envoy's access logs, such as `%REQUEST_DURATION%`."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one member is set."""
        given = [type(self).model_fields[each].alias or each for each in MEMBERS if getattr(self, each) is not None]
        if len(given) != 1:
            found = f"; set are: {', '.join(given)}" if given else ""
            yield FieldViolation(
                (), f"must have exactly one of literal, environment, requestHeader, metadata, format{found}"
            )


class Tracing(Disableable):
    """Which requests are traced, and what their spans say; where the listener has no tracing provider, none are."""

    client_sampling: Annotated[Share | None, Doc(envoy="Tracing.client_sampling")] = None
    """Of requests with the header `x-client-trace-id`, the share that is traced. By default the listener's."""
    random_sampling: Annotated[Share | None, Doc(envoy="Tracing.random_sampling")] = None
    """The share of requests that is chosen at random. By default the listener's."""
    overall_sampling: Annotated[Share | None, Doc(envoy="Tracing.overall_sampling")] = None
    """The most that is traced, whoever chose it. By default the listener's."""
    attributes: Annotated[
        tuple[TracingAttribute, ...] | None,
        Field(max_length=32),
        ByKey("name"),
        Doc(envoy="Tracing.custom_tags"),
    ] = None
    """More attributes of spans. By default none."""
    span_name: Annotated[Format | None, Doc(envoy="Tracing.operation")] = None
    """The name of spans: a text with commands of Envoy's access logs. By default `ingress`."""


Traces = Annotated[Tracing | None, Doc(envoy="Tracing")]
