"""The fields of ListenerPolicies for the identifiers of requests."""

from typing import Annotated

from translator.objects.schema.base import Fields
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import Boolean

GenerateRequestId = Annotated[Boolean | None, Doc(envoy="HttpConnectionManager.generate_request_id", default="true")]
PreserveExternalRequestId = Annotated[
    Boolean | None, Doc(envoy="HttpConnectionManager.preserve_external_request_id", default="false")
]
RequestIdInResponse = Annotated[
    Boolean | None, Doc(envoy="HttpConnectionManager.always_set_request_id_in_response", default="false")
]


class UuidRequestIdConfig(Fields):
    """How the identifiers of requests, which are UUIDs, and their traces depend on each other."""

    pack_trace_reason: Annotated[Boolean | None, Doc(envoy="UuidRequestIdConfig.pack_trace_reason")] = None
    """Whether the identifier says why its request is traced, in one of its digits. By default true."""
    use_request_id_for_trace_sampling: Annotated[
        Boolean | None, Doc(envoy="UuidRequestIdConfig.use_request_id_for_trace_sampling")
    ] = None
    """Whether the identifier decides which requests are in the share that is chosen at random, so that proxies one
    after another choose the same. By default true."""


UuidRequestIds = Annotated[UuidRequestIdConfig | None, Doc(envoy="UuidRequestIdConfig")]
