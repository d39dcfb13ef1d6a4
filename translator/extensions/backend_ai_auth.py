"""By which credentials requests to providers of AI are sent, as Backends say it."""

from __future__ import annotations

from typing import Final

from translator.db import Db
from translator.extensions.ai_credentials import (
    AwsSignature,
    ClientCredentials,
    GoogleToken,
    PassedCredential,
    ProviderCredential,
    ProviderKey,
)
from translator.extensions.backend_aws import aws_keys
from translator.extensions.backend_gcp import ANY, metadata_server
from translator.extensions.url_backends import url_backend
from translator.gateway.secrets import header_secret, referenced_secret
from translator.inputs import Settings
from translator.ir.aws import InlineKeys, Role
from translator.objects.headgate.aiauth import AzureAuth, ProviderAwsAuth
from translator.objects.headgate.aiproviders import AiProvider
from translator.outcome import Outcome, Problem
from translator.refs import Ref

KEY: Final = "apiKey"
"""The key of Secrets with keys of providers."""
PASSWORD: Final = "clientSecret"
"""The key of Secrets with passwords of applications."""
BEDROCK: Final = "bedrock"
"""The service that requests are signed for."""
GOOGLE: Final = ".googleapis.com"
"""What the names of Google's own hosts end with."""
AUTHORITY: Final = "https://login.microsoftonline.com"
AZURE_SCOPE: Final = "https://cognitiveservices.azure.com/.default"


def provider_credential(
    db: Db, ref: Ref, found: AiProvider, host: str, field: str
) -> Outcome[ProviderCredential | None]:
    """Return the credential of a provider; none if it has none, or, with problems, if it cannot be had.

    Args:
        db: the database.
        ref: the Backend.
        found: the provider.
        host: where it is.
        field: the path of `auth`, for messages.
    """
    auth = found.auth
    if auth is None or auth.none is not None:
        return Outcome(None)
    if auth.secret_ref is not None:
        secret = header_secret(db, ref, auth.secret_ref, KEY, f"{field}.secretRef")
        if secret.value is None:
            return Outcome(None, secret.problems)
        return Outcome(ProviderKey(secret.value, (auth.header_name or "").lower(), auth.prefix))
    if auth.aws is not None:
        return _aws(db, ref, found, auth.aws, f"{field}.aws")
    if auth.gcp is not None:
        return _google(db.settings, host, f"{field}.gcp")
    if auth.azure is not None:
        return _azure(db, ref, auth.azure, f"{field}.azure")
    return Outcome(PassedCredential())


def _aws(db: Db, ref: Ref, found: AiProvider, aws: ProviderAwsAuth, field: str) -> Outcome[ProviderCredential | None]:
    region = aws.region or (found.bedrock.region if found.bedrock is not None else "")
    keys: InlineKeys | Role | None = None
    if aws.secret_ref is not None:
        read = aws_keys(db, ref, aws.secret_ref, f"{field}.secretRef")
        if read.value is None:
            return Outcome(None, read.problems)
        keys = read.value
    if aws.assume_role is not None:
        role = aws.assume_role
        keys = Role(role.role_arn, role.external_id or "", role.session_name or "")
    return Outcome(AwsSignature(BEDROCK, region, keys))


def _google(settings: Settings, host: str, field: str) -> Outcome[ProviderCredential | None]:
    """Return the token of the proxies' service account, which no other host gets in a cluster: it could use it."""
    if not host.endswith(GOOGLE) and not settings.standalone and ANY not in settings.gcp_audiences:
        text = (
            f"{field}: {host} is no host of Google's ({GOOGLE}), and could use the token elsewhere; leave host out, or "
            f"have Headgate started with --gcp-audiences '*'."
        )
        return Outcome(None, (Problem("Accepted", "Invalid", text),))
    return Outcome(GoogleToken(metadata_server(settings)))


def _azure(db: Db, ref: Ref, found: AzureAuth, field: str) -> Outcome[ProviderCredential | None]:
    secret = referenced_secret(db, ref, found.secret_ref, PASSWORD, f"{field}.secretRef")
    if secret.value is None:
        return Outcome(None, secret.problems)
    endpoint = f"{(found.authority or AUTHORITY).rstrip('/')}/{found.tenant_id}/oauth2/v2.0/token"
    service = url_backend(db, endpoint, f"{field}.authority")
    if service.value is None:
        return Outcome(None, service.problems)
    return Outcome(ClientCredentials(endpoint, service.value, found.client_id, secret.value, AZURE_SCOPE))
