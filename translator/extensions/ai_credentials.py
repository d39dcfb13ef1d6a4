"""Credentials of requests to providers of AI: filters of a provider's cluster write its own, which goes there alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from headgate_proto.envoy.extensions.filters.http.aws_request_signing.v3.aws_request_signing_pb2 import (
    AwsRequestSigning,
)
from headgate_proto.envoy.extensions.filters.http.header_mutation.v3.header_mutation_pb2 import HeaderMutation
from translator.envoy.ai.provider_filters import CREDENTIAL, Filter, credential
from translator.envoy.backend_routes import add_backend_filters
from translator.envoy.fetched_token import BEARER, NAME, fetching_filter, refusing_filter, write_token
from translator.envoy.injected_secret import client_credentials, credential_injector
from translator.extensions.aws_lambda import write_credentials
from translator.ir.aws import InlineKeys, Role
from translator.ir.backend import Backend
from translator.ir.secret import GenericSecret

AUTHORIZATION: Final = "authorization"
GOOGLE_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
GOOGLE_KEY: Final = sha256(GOOGLE_SCOPE.encode()).hexdigest()[:16]
"""The key of the token in that metadata."""
ACCESS_TOKEN: Final = r"[-_.~+/A-Za-z0-9]+=*"
NO_ACCESS_TOKEN: Final = "no_access_token"
"""The name of the rule, which logs tell of requests that it refuses."""
SIGNED: Final = ("x-amz-content-sha256", "x-amz-date", "x-amz-security-token")
"""The headers that signatures of AWS add beside Authorization."""


class ProviderCredential:
    """A credential that requests to a provider get: a frozen dataclass."""

    __slots__ = ()

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers that have it, besides those that every provider looks at; in lower case."""
        return ()

    @property
    def secrets(self) -> tuple[GenericSecret, ...]:
        """The secret texts that the cluster gets by SDS."""
        return ()

    @property
    def backends(self) -> tuple[Backend, ...]:
        """What is asked for it."""
        return ()

    @property
    def digest(self) -> str:
        """A text that is another one for other keys, where these are in the cluster itself."""
        return ""

    def with_backends(self, change: Callable[[Backend], Backend]) -> ProviderCredential:
        """Return it with its backends changed."""
        return self

    def filters(self, header: str, prefix: str) -> Iterator[Filter]:
        """Yield the filters that write it; `header` and `prefix` are where the provider looks for keys."""
        return iter(())

    def write_route(self, route: Route) -> None:
        """Write what it needs of routes."""


@dataclass(frozen=True, slots=True)
class ProviderKey(ProviderCredential):
    """A key.

    Attributes:
        secret: the text.
        header: the header that has it, in lower case; "" for that where the provider looks for it.
        prefix: what stands before it; None for what the provider asks for.
    """

    secret: GenericSecret
    header: str = ""
    prefix: str | None = None

    @property
    def headers(self) -> tuple[str, ...]:
        """The header that the user names."""
        return (self.header,) if self.header else ()

    @property
    def secrets(self) -> tuple[GenericSecret, ...]:
        """The key: a new value of it changes no cluster."""
        return (self.secret,)

    def filters(self, header: str, prefix: str) -> Iterator[Filter]:
        """Yield the ``CredentialInjector``."""
        own = BEARER if self.header == AUTHORIZATION else ""
        before = self.prefix if self.prefix is not None else own if self.header else prefix
        yield credential(self.secret, self.header or header, before)


@dataclass(frozen=True, slots=True)
class PassedCredential(ProviderCredential):
    """What the client sends as its own."""


@dataclass(frozen=True, slots=True)
class AwsSignature(ProviderCredential):
    """A signature of AWS.

    Attributes:
        service: the service that requests are signed for.
        region: its region.
        keys: by which they are signed; None for what proxies find themselves.
    """

    service: str
    region: str
    keys: InlineKeys | Role | None = None

    @property
    def headers(self) -> tuple[str, ...]:
        """What a signature adds: the token of a session is a credential."""
        return SIGNED

    @property
    def digest(self) -> str:
        """That of the keys: other ones make another cluster, before the former one goes."""
        return self.keys.digest if self.keys is not None else ""

    def filters(self, header: str, prefix: str) -> Iterator[Filter]:
        """Yield the ``AwsRequestSigning``, which signs the request as the provider gets it."""
        made = AwsRequestSigning(service_name=self.service, region=self.region)
        if self.keys is not None:
            write_credentials(self.keys, made.credential_provider)
        yield CREDENTIAL, made


@dataclass(frozen=True, slots=True)
class GoogleToken(ProviderCredential):
    """An access token of the proxy's own service account.

    Attributes:
        server: the metadata server, which gives it.
    """

    server: Backend

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The metadata server."""
        return (self.server,)

    def with_backends(self, change: Callable[[Backend], Backend]) -> GoogleToken:
        """Change the metadata server."""
        return replace(self, server=change(self.server))

    def filters(self, header: str, prefix: str) -> Iterator[Filter]:
        """Yield the filter that refuses requests without a token, and the one that writes it into the header."""
        yield NO_ACCESS_TOKEN, refusing_filter(NO_ACCESS_TOKEN, GOOGLE_KEY, ACCESS_TOKEN)[0]
        made = HeaderMutation()
        write_token(made, AUTHORIZATION, GOOGLE_KEY)
        yield CREDENTIAL, made

    def write_route(self, route: Route) -> None:
        """Write the ``GcpAuthnFilterConfig`` that gets the token into the slot of backends, beside what is there."""
        made = fetching_filter(self.server, GOOGLE_KEY)
        made.audience.access_token.scopes.append(GOOGLE_SCOPE)
        add_backend_filters(route, ((NAME, made),))


@dataclass(frozen=True, slots=True)
class ClientCredentials(ProviderCredential):
    """A token that the proxy gets for itself by OAuth 2.0's client credentials.

    Attributes:
        endpoint: the URL that gives tokens.
        service: the backend there.
        client: the name of the proxy as a client.
        secret: its password.
        scope: what the token is for.
    """

    endpoint: str
    service: Backend
    client: str
    secret: GenericSecret
    scope: str

    @property
    def secrets(self) -> tuple[GenericSecret, ...]:
        """The password."""
        return (self.secret,)

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The endpoint of tokens."""
        return (self.service,)

    def with_backends(self, change: Callable[[Backend], Backend]) -> ClientCredentials:
        """Change the endpoint."""
        return replace(self, service=change(self.service))

    def filters(self, header: str, prefix: str) -> Iterator[Filter]:
        """Yield the ``CredentialInjector``, which responds with 401 while there is no token."""
        found = client_credentials(self.endpoint, self.service, self.client, self.secret, (self.scope,), encoded=True)
        yield CREDENTIAL, credential_injector(found)
