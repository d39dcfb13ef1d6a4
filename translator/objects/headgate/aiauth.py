"""How providers of AI are connected to: by which credential, and by which TLS."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final

from pydantic import Field, StringConstraints

from translator.objects.gateway_api.backendtlspolicy import SubjectAltName
from translator.objects.gateway_api.references import LocalObjectReference
from translator.objects.headgate.awsbackend import AssumeRole, AwsSecretReference, Region
from translator.objects.headgate.references import SecretReference
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, exactly_one
from translator.objects.schema.documentation import Doc
from translator.objects.schema.header_names import FIXED
from translator.objects.schema.scalars import HTTP_URL, METADATA_NAME, PRINTABLE, HeaderName, PreciseHostname

KeyPrefix = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=PRINTABLE)]
EntraId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=METADATA_NAME)]
AuthorityUrl = Annotated[str, StringConstraints(max_length=512, pattern=HTTP_URL)]


class NoFields(Fields):
    """A member without fields: that it is there says all."""


class ProviderAwsAuth(CheckedFields):
    """By which credentials of AWS requests are signed.

    Without any, those that proxies find: in their environment, of the pod or of the instance.
    """

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!(has(self.secretRef) && has(self.assumeRole))",
            "must not be set beside secretRef: remove one",
            "assumeRole",
        ),
    )

    region: Annotated[Region | None, Doc(envoy="AwsRequestSigning.region", default="that of bedrock")] = None
    """The region that requests are signed for."""
    secret_ref: Annotated[AwsSecretReference | None, Doc(envoy="AwsCredentialProvider.inline_credential")] = None
    """A Secret with keys of AWS. Other keys make another cluster."""
    assume_role: AssumeRole | None = None
    """A role that the proxies assume."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if there are both."""
        if self.secret_ref is not None and self.assume_role is not None:
            yield FieldViolation(("assumeRole",), self.rules[0].message)


class AzureAuth(Fields):
    """An application of Microsoft Entra ID, as which the proxies get tokens."""

    tenant_id: Annotated[EntraId, Doc(envoy="OAuth2.token_endpoint.uri")]
    """The tenant."""
    client_id: Annotated[EntraId, Doc(envoy="OAuth2.client_credentials.client_id")]
    """The application."""
    secret_ref: Annotated[SecretReference, Doc(envoy="OAuth2.client_credentials.client_secret")]
    """Its password in a Secret, by default under `clientSecret`. A new value needs no new cluster."""
    authority: Annotated[
        AuthorityUrl | None,
        Doc(envoy="OAuth2.token_endpoint.uri", default="https://login.microsoftonline.com"),
    ] = None
    """Where tokens are, in another cloud than Azure's own."""


MEMBERS: Final[tuple[str, ...]] = ("secret_ref", "passthrough", "aws", "gcp", "azure", "none")
"""The members, by their names in the model: exactly one is set."""
NO_KEYS: Final = (
    *sorted(FIXED),
    "accept",
    "accept-encoding",
    "content-encoding",
    "content-type",
    "expect",
    "forwarded",
    "referer",
    "traceparent",
    "tracestate",
    "user-agent",
    "via",
    "x-client-request-id",
    "x-request-id",
)
"""Headers that no key may be in: they frame the request, say what it is, or are in logs and traces."""
NO_KEY_PREFIXES: Final = ("x-envoy-", "x-forwarded-", "x-gateway-", "x-headgate-", "x-stainless-")
"""What others begin with."""
_NO_KEY: Final = (
    "must not be a header that frames requests, says what they are or is logged: remove it, so that the key is where "
    "the provider looks for it, or name another one, such as x-api-key"
)
_KEY_RULE: Final = (
    f"!has(self.headerName) || !(self.headerName.lowerAscii() in {list(NO_KEYS)} || "
    + " || ".join(f"self.headerName.lowerAscii().startsWith('{each}')" for each in NO_KEY_PREFIXES)
    + ")"
)
_NAMES: Final = tuple("secretRef" if each == "secret_ref" else each for each in MEMBERS)


class ProviderAuth(CheckedFields):
    """By which credential requests are sent: exactly one member says where it is from.

    What clients send as theirs is removed, unless it is passed through.
    """

    rules: ClassVar[tuple[CelRule, ...]] = (
        exactly_one(*_NAMES),
        CelRule(
            "has(self.secretRef) || !(has(self.headerName) || has(self.prefix))",
            "must be set beside secretRef only: remove it",
            "headerName",
        ),
        CelRule(_KEY_RULE, _NO_KEY, "headerName"),
    )

    secret_ref: Annotated[SecretReference | None, Doc(envoy="Generic.credential")] = None
    """A key in a Secret, by default under `apiKey`. A new value needs no new cluster."""
    header_name: Annotated[HeaderName | None, Doc(envoy="Generic.header", default="the provider's")] = None
    """The header that has the key."""
    prefix: Annotated[
        KeyPrefix | None, Doc(envoy="Generic.header_value_prefix", default="`Bearer ` in Authorization")
    ] = None
    """What stands before the key."""
    passthrough: Annotated[NoFields | None, Doc(envoy="Lua in HttpProtocolOptions.http_filters")] = None
    """What the client sends in Authorization, X-API-Key, API-Key or X-Goog-API-Key. Such a provider has to come before
    all that have a credential of their own."""
    aws: Annotated[ProviderAwsAuth | None, Doc(envoy="AwsRequestSigning")] = None
    """A signature of AWS."""
    gcp: Annotated[NoFields | None, Doc(envoy="GcpAuthnFilterConfig.audience.access_token")] = None
    """An access token of the proxies' own service account in Google Cloud."""
    azure: AzureAuth | None = None
    """A token of Microsoft Entra ID."""
    none: Annotated[NoFields | None, Doc(envoy="nothing")] = None
    """The provider needs no credential."""

    @property
    def member(self) -> str:
        """The member that is set, by its name in the model."""
        return next(each for each in MEMBERS if getattr(self, each) is not None)

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one member is set, and headers have a key."""
        if sum(getattr(self, each) is not None for each in MEMBERS) != 1:
            yield FieldViolation((), f"{self.rules[0].message}: add it, or remove the others")
        elif self.secret_ref is None and (self.header_name is not None or self.prefix is not None):
            yield FieldViolation(("headerName",), self.rules[1].message)
        elif (name := (self.header_name or "").lower()) in NO_KEYS or name.startswith(NO_KEY_PREFIXES):
            yield FieldViolation(("headerName",), _NO_KEY)


class ProviderTls(CheckedFields):
    """How connections to a provider are encrypted, and whom they trust."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.disable) || !(has(self.hostname) || has(self.caCertificateRefs) || has(self.subjectAltNames))",
            "must be set alone: remove the other fields, or this one",
            "disable",
        ),
    )

    disable: Annotated[NoFields | None, Doc(envoy="Cluster.transport_socket")] = None
    """Connections are not encrypted: whoever is on their way reads prompts and keys."""
    hostname: Annotated[PreciseHostname | None, Doc(envoy="UpstreamTlsContext.sni", default="the host")] = None
    """The server name of the handshake, which the certificate must have unless `subjectAltNames` are given."""
    ca_certificate_refs: Annotated[
        tuple[LocalObjectReference, ...] | None,
        Field(min_length=1, max_length=8),
        Doc(envoy="CommonTlsContext.combined_validation_context", default="the authorities of the proxy's system"),
    ] = None
    """ConfigMaps, or other objects, with the CA certificates to trust."""
    subject_alt_names: Annotated[
        tuple[SubjectAltName, ...] | None,
        Field(min_length=1, max_length=5),
        Doc(envoy="CertificateValidationContext.match_typed_subject_alt_names"),
    ] = None
    """Names of which the certificate must have one."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if connections are not encrypted and something says how they are."""
        if self.disable is not None and (self.hostname or self.ca_certificate_refs or self.subject_alt_names):
            yield FieldViolation(("disable",), self.rules[0].message)
