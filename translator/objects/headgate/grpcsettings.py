"""The fields `httpSettings.grpcWeb` and `grpcStats` of ListenerPolicies."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from translator.objects.headgate.types import Disableable
from translator.objects.schema.base import Fields
from translator.objects.schema.documentation import Doc
from translator.objects.schema.merging import ByKey
from translator.objects.schema.scalars import GRPC_NAME, Boolean

MOST_SERVICES: Final = 64
MOST_METHODS: Final = 64

ServiceName = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=GRPC_NAME)]
MethodName = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=GRPC_NAME)]


class GrpcWeb(Disableable):
    """Lets pages call gRPC services, by gRPC-Web: backends get gRPC. It is written ``{}``."""


class GrpcServiceMethods(Fields):
    """Methods of a service whose calls are counted by name."""

    name: ServiceName
    """The full name of the service, such as `shop.Checkout`."""
    methods: Annotated[tuple[MethodName, ...], Field(min_length=1, max_length=MOST_METHODS)]
    """The names of the methods."""


class GrpcStats(Disableable):
    """Counts gRPC calls, by their clusters: those of the named methods by name, all others together."""

    services: Annotated[
        tuple[GrpcServiceMethods, ...] | None,
        Field(min_length=1, max_length=MOST_SERVICES),
        ByKey("name"),
        Doc(envoy="grpc_stats.FilterConfig.individual_method_stats_allowlist"),
    ] = None
    """The methods that are counted by name. By default none: names that clients choose are no names of metrics."""
    upstream_stats: Annotated[Boolean | None, Doc(envoy="grpc_stats.FilterConfig.enable_upstream_stats")] = None
    """Whether there are also histograms of how long the backends took. By default false."""


GrpcWebField = Annotated[GrpcWeb | None, Doc(envoy="GrpcWeb")]
GrpcStatsField = Annotated[GrpcStats | None, Doc(envoy="grpc_stats.FilterConfig")]
