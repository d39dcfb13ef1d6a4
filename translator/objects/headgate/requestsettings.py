"""The fields of `httpSettings` of ListenerPolicies that tell of single requests, or tell them something."""

from typing import Annotated

from pydantic import Field

from translator.objects.headgate.clientcertdetails import ClientCertDetails
from translator.objects.headgate.geoip import GeoLookup
from translator.objects.headgate.grpcsettings import GrpcStatsField, GrpcWebField
from translator.objects.headgate.healthpath import HealthChecks
from translator.objects.headgate.listenerheaders import EarlyRequestHeaders, LateResponseHeaders
from translator.objects.headgate.listenertracing import ListenerTraces
from translator.objects.headgate.requestids import (
    GenerateRequestId,
    PreserveExternalRequestId,
    RequestIdInResponse,
    UuidRequestIds,
)
from translator.objects.schema.base import Fields


class RequestSettings(Fields):
    """Traces, identifiers, headers, places and gRPC of requests."""

    tracing: ListenerTraces = None
    """Which requests are traced, and where their spans go."""
    generate_request_id: GenerateRequestId = None
    """Whether requests without an identifier (X-Request-Id) get one."""
    preserve_external_request_id: PreserveExternalRequestId = None
    """Whether the identifiers that clients send are kept."""
    request_id_in_response: RequestIdInResponse = None
    """Whether responses have the identifiers of their requests."""
    uuid_request_id_config: UuidRequestIds = None
    """How identifiers and traces depend on each other."""
    forward_client_cert_details: ClientCertDetails = None
    """What becomes of the header X-Forwarded-Client-Cert."""
    early_request_header_modifier: EarlyRequestHeaders = None
    """Changes of headers of requests, before routes are chosen."""
    late_response_header_modifier: LateResponseHeaders = None
    """Changes of headers of all responses, after everything else."""
    health_check: HealthChecks = None
    """The path at which the proxies say whether they take requests."""
    grpc_web: GrpcWebField = None
    """Whether pages may call gRPC services."""
    grpc_stats: GrpcStatsField = None
    """Which gRPC calls are counted."""
    geo_ip: Annotated[GeoLookup, Field(alias="geoIP")] = None
    """Where the addresses of clients are looked up."""
