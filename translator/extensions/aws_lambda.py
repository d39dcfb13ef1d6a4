"""Clusters of AWS Lambda: requests become invocations of a function, and are signed (AWS Signature Version 4).

Both is done by filters of the cluster, which see a request last: a function is a backend like any other, in weights,
mirrors and retries. Envoy's filter for Lambda would sign with the keys in its own configuration, which Envoy does not
hide; so it gets none that are any, and the next filter signs in its place, with what Envoy hides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.extensions.common.aws.v3.credential_provider_pb2 import AwsCredentialProvider
from headgate_proto.envoy.extensions.filters.http.aws_lambda.v3.aws_lambda_pb2 import Config
from headgate_proto.envoy.extensions.filters.http.aws_request_signing.v3.aws_request_signing_pb2 import (
    AwsRequestSigning,
)
from translator.envoy.cluster import http_options
from translator.envoy.hooks import ClusterHook
from translator.envoy.upstream_filters import add_filter
from translator.ir.aws import InlineKeys, Role
from translator.ir.backend import Backend, BackendSetting

UNUSED: Final = "unused"
"""The keys of the filter whose signature is replaced."""
SERVICE: Final = "lambda"


@dataclass(frozen=True, slots=True)
class LambdaFunction(BackendSetting, ClusterHook):
    """Has requests invoke a function.

    Attributes:
        arn: the function, with its version or alias.
        region: the region that requests are signed for.
        host: the Host of requests.
        credentials: what they are signed by; None for what proxies find themselves.
        passthrough: whether the function gets the body of a request as it is, instead of the request as JSON.
        asynchronous: whether nobody waits for the function's response.
    """

    arn: str
    region: str
    host: str
    credentials: InlineKeys | Role | None = None
    passthrough: bool = False
    asynchronous: bool = False

    @property
    def fingerprint(self) -> str:
        """Return a text with a digest of the keys: other ones make another cluster, before the former one goes."""
        return f"{self!r} {self.credentials.digest if self.credentials is not None else ''}"

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write the filters of the cluster."""
        invoking = Config(arn=self.arn, payload_passthrough=self.passthrough, host_rewrite=self.host)
        invoking.credentials.access_key_id = invoking.credentials.secret_access_key = UNUSED
        if self.asynchronous:
            invoking.invocation_mode = Config.ASYNCHRONOUS
        signing = AwsRequestSigning(service_name=SERVICE, region=self.region)
        if self.credentials is not None:
            write_credentials(self.credentials, signing.credential_provider)
        with http_options(cluster) as options:
            add_filter(options, "envoy.filters.http.aws_lambda", invoking)
            add_filter(options, "envoy.filters.http.aws_request_signing", signing)


def write_credentials(credentials: InlineKeys | Role, provider: AwsCredentialProvider) -> None:
    """Write by what requests are signed."""
    if isinstance(credentials, InlineKeys):
        inline = provider.inline_credential
        inline.access_key_id, inline.secret_access_key = credentials.access_key, credentials.secret_key
        inline.session_token = credentials.session_token
    else:
        role = provider.assume_role_credential_provider
        role.role_arn, role.external_id = credentials.arn, credentials.external_id
        role.role_session_name = credentials.session_name
