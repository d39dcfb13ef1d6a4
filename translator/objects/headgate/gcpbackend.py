"""Backends in Google Cloud: services that ask for an identity token, such as those of Cloud Run."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from translator.objects.schema.base import Fields
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import GCP_AUDIENCE, GCP_HOST, PortNumber

GcpHost = Annotated[str, StringConstraints(pattern=GCP_HOST, max_length=253)]
Audience = Annotated[str, StringConstraints(pattern=GCP_AUDIENCE, max_length=512)]


class GcpBackend(Fields):
    """A service that takes requests with an identity token of Google's, by TLS."""

    host: Annotated[GcpHost, Doc(envoy="Cluster.load_assignment")]
    """The DNS name of the service, which its certificate has, and which is the Host of requests."""
    port: Annotated[PortNumber | None, Doc(envoy="Cluster.load_assignment", default="443")] = None
    """The port of the service."""
    audience: Annotated[
        Audience | None, Doc(envoy="GcpAuthnFilterConfig.audience", default="`https://` and the host")
    ] = None
    """For whom tokens are. In a cluster, one that is not a URL of the host has to be among `--gcp-audiences`."""
    token_header: Annotated[
        Literal["Authorization", "X-Serverless-Authorization"] | None,
        Doc(envoy="HeaderMutation in HttpProtocolOptions.http_filters", default="Authorization"),
    ] = None
    """The header that has the token. With Authorization, what clients send in it is removed; with
    X-Serverless-Authorization, which Cloud Run looks at first, the service gets it."""
