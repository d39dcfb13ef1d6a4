"""Filters that put a credential into a header on the way to backends: it is in no configuration, only its name is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from headgate_proto.envoy.extensions.filters.http.credential_injector.v3.credential_injector_pb2 import (
    CredentialInjector,
)
from headgate_proto.envoy.extensions.http.injected_credentials.generic.v3.generic_pb2 import Generic
from headgate_proto.envoy.extensions.http.injected_credentials.oauth2.v3.oauth2_pb2 import OAuth2
from translator.envoy.config_source import sds
from translator.envoy.filter_entries import SlotFilter
from translator.envoy.http_filters import CREDENTIALS
from translator.envoy.names import cluster_name, generic_secret_name
from translator.ir.backend import Backend
from translator.ir.secret import GenericSecret

TOKEN_SECONDS: Final = 5
"""How long the endpoint of tokens may take to respond."""
Credential = Generic | OAuth2
"""A message that says where a credential comes from."""
EXTENSIONS: Final[Mapping[type[Credential], str]] = {
    Generic: "envoy.http.injected_credentials.generic",
    OAuth2: "envoy.http.injected_credentials.oauth2",
}
"""The names of Envoy's extensions, by their messages."""


def credential_injector(credential: Credential, *, overwrite: bool = True) -> CredentialInjector:
    """Return the filter that writes a credential, and responds with 401 where it has none.

    Args:
        credential: where it comes from.
        overwrite: whether it takes the place of what the request has.
    """
    made = CredentialInjector(overwrite=overwrite)
    made.credential.name = EXTENSIONS[type(credential)]
    made.credential.typed_config.Pack(credential, deterministic=True)
    return made


def generic_credential(secret: GenericSecret, header: str, prefix: str = "") -> Generic:
    """Return a secret text, after a prefix, as the credential in a header; line breaks at its end are left out."""
    made = Generic(header=header, header_value_prefix=prefix)
    made.credential.CopyFrom(sds(generic_secret_name(secret)))
    return made


def client_credentials(
    endpoint: str, service: Backend, client: str, secret: GenericSecret, scopes: Iterable[str], *, encoded: bool
) -> OAuth2:
    """Return a token that the proxy gets by itself as the credential (RFC 6749, 4.4).

    Args:
        endpoint: the URL that gives tokens.
        service: the backend there.
        client: the name of the proxy as a client.
        secret: its password.
        scopes: what the token is for.
        encoded: whether the password is in the body, and not in Authorization.
    """
    made = OAuth2(scopes=scopes)
    made.token_endpoint.uri, made.token_endpoint.cluster = endpoint, cluster_name(service)
    made.token_endpoint.timeout.seconds = TOKEN_SECONDS
    made.client_credentials.client_id = client
    made.client_credentials.client_secret.CopyFrom(sds(generic_secret_name(secret)))
    made.client_credentials.auth_type = OAuth2.URL_ENCODED_BODY if encoded else OAuth2.BASIC_AUTH
    return made


def injector(name: str, credential: Credential, *, overwrite: bool, weight: int = 0) -> SlotFilter:
    """Return the filter that writes a credential, in the slot of routes.

    Args:
        name: its name among the filters of the slot.
        credential: where it comes from.
        overwrite: whether it takes the place of what the request has.
        weight: the higher, the earlier it runs.
    """
    return SlotFilter(CREDENTIALS, name, credential_injector(credential, overwrite=overwrite), weight)


def generic_injector(
    name: str, secret: GenericSecret, header: str, prefix: str = "", *, overwrite: bool = True, weight: int = 0
) -> SlotFilter:
    """Return the filter that puts a secret text, after a prefix, into a header, in the slot of routes."""
    return injector(name, generic_credential(secret, header, prefix), overwrite=overwrite, weight=weight)
