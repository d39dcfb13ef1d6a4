"""Credentials that backends ask for: the unit `credentialInjection` of TrafficPolicies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Final
from urllib.parse import urlsplit

from translator.backends.reference import backend_of_policy
from translator.envoy.filter_entries import FilterEntry, SecretUse
from translator.envoy.hooks import FilterHook
from translator.envoy.injected_secret import client_credentials, generic_injector, injector
from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.extensions.url_backends import PORTS, url_backend
from translator.gateway.secrets import header_secret, referenced_secret
from translator.ir.backend import Backend
from translator.ir.http import RuleSetting
from translator.ir.secret import GenericSecret
from translator.objects.headgate.credentials import CredentialInjection, OAuth2ClientCredentials
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome, Problem

NAME: Final = "headgate.credential"
"""The name of the filter in its slot, so that a route's is in the place of the one that it inherits."""
AUTHORIZATION: Final = "authorization"


@dataclass(frozen=True, slots=True)
class InjectedText(RuleSetting, FilterHook):
    """A secret text that requests get.

    Attributes:
        secret: the text.
        header: the header.
        prefix: what stands before the text.
        overwrite: whether it takes the place of what clients send.
    """

    forwarding: ClassVar[bool] = True
    secret: GenericSecret
    header: str
    prefix: str = ""
    overwrite: bool = True

    @property
    def adds_secret(self) -> bool:
        """It does."""
        return True

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the ``CredentialInjector`` with a ``Generic`` credential."""
        yield SecretUse(self.secret)
        yield generic_injector(NAME, self.secret, self.header, self.prefix, overwrite=self.overwrite)


@dataclass(frozen=True, slots=True)
class InjectedToken(RuleSetting, FilterHook):
    """A token of the proxy's own that requests get.

    Attributes:
        endpoint: the URL that gives tokens.
        service: the backend there.
        client: the name of the proxy as a client.
        secret: its password.
        scopes: what the token is for.
        encoded: whether the password is in the body, and not in Authorization.
        overwrite: whether it takes the place of what clients send.
    """

    forwarding: ClassVar[bool] = True
    endpoint: str
    service: Backend
    client: str
    secret: GenericSecret
    scopes: tuple[str, ...] = ()
    encoded: bool = False
    overwrite: bool = True

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The service that gives tokens."""
        return (self.service,)

    def with_backends(self, change: Callable[[Backend], Backend]) -> InjectedToken:
        """Change the service."""
        return replace(self, service=change(self.service))

    @property
    def adds_secret(self) -> bool:
        """It does."""
        return True

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the ``CredentialInjector`` with a credential of ``OAuth2``."""
        made = client_credentials(
            self.endpoint, self.service, self.client, self.secret, self.scopes, encoded=self.encoded
        )
        yield SecretUse(self.secret)
        yield injector(NAME, made, overwrite=self.overwrite)


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective credential."""
    found = context.effective.value
    assert isinstance(found, CredentialInjection)
    if found.disable is not None:
        return Outcome(())
    overwrite = found.overwrite is not False
    if found.oauth2_client_credentials is not None:
        return _token(context, found.oauth2_client_credentials, overwrite)
    assert found.secret_ref is not None
    path = f"{context.field}.secretRef"
    secret = header_secret(context.db, context.origin("secretRef"), found.secret_ref, "credential", path)
    if secret.value is None:
        return Outcome(None, secret.problems)
    return Outcome((InjectedText(secret.value, found.header or AUTHORIZATION, found.prefix or "", overwrite),))


def _token(context: PolicyContext, found: OAuth2ClientCredentials, overwrite: bool) -> FilterOutcome:
    """Return how the proxy gets tokens; None if its password or their endpoint cannot be used."""
    path, owner = f"{context.field}.oauth2ClientCredentials", context.origin("oauth2ClientCredentials")
    secret = referenced_secret(context.db, owner, found.client_secret_ref, "client-secret", f"{path}.clientSecretRef")
    if found.backend_ref is not None:
        if not _is_url(found.token_endpoint):
            text = (
                f"{path}.tokenEndpoint: must be an absolute URL of http or https, like https://idp.example.com/token."
            )
            return Outcome(None, (Problem("Accepted", "Invalid", text),))
        service = backend_of_policy(context.db, owner, found.backend_ref, f"{path}.backendRef")
    else:
        service = url_backend(context.db, found.token_endpoint, f"{path}.tokenEndpoint")
    problems = (*secret.problems, *service.problems)
    if secret.value is None or service.value is None:
        return Outcome(None, problems)
    setting = InjectedToken(
        found.token_endpoint,
        service.value,
        found.client_id,
        secret.value,
        found.scopes or (),
        found.auth_type == "URLEncodedBody",
        overwrite,
    )
    return Outcome((setting,), problems)


def _is_url(text: str) -> bool:
    """Return whether a text is a URL that Envoy can ask at: its host is that of the request."""
    try:
        parts = urlsplit(text)
        return parts.scheme in PORTS and bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        return False


EXTENSION = Extension(
    "credential injection",
    units=(
        PolicyUnit(
            TrafficPolicy,
            "credential_injection",
            read,
            (InjectedText, InjectedToken),
            closed=True,
            inherit=TABLE,
        ),
    ),
)
