"""The units of TrafficPolicies for credentials: users and keys of clients, and what backends ask for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StringConstraints

from translator.objects.gateway_api.references import BackendObjectReference
from translator.objects.headgate.policy import MatchLabels
from translator.objects.headgate.references import SecretReference
from translator.objects.headgate.types import Disableable
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, exactly_one, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.header_names import ChangeableHeader
from translator.objects.schema.merging import ATOMIC
from translator.objects.schema.scalars import ONE_LINE, PRINTABLE, Boolean, HeaderName, Namespace, ObjectName

MAX_CREDENTIALS: Final = 1024
"""Most users of a policy, and most API keys."""
MAX_KEY_SOURCES: Final = 16
"""Most places where API keys are looked for."""

_AGAIN: Final = "is in the list already: remove it"


def _only_one(model: type[Fields], found: Fields, *members: str) -> Iterator[FieldViolation]:
    """Yield a violation unless exactly one of the members is set."""
    given = [model.model_fields[each].alias or each for each in members if getattr(found, each) is not None]
    if len(given) != 1:
        names = ", ".join(model.model_fields[each].alias or each for each in members)
        yield FieldViolation(
            (), f"must have exactly one of {names}" + (f"; set are: {', '.join(given)}" if given else "")
        )


UserLine = Annotated[str, StringConstraints(min_length=1, max_length=512)]
"""A line of htpasswd: a name, a colon, and the hash of a password."""


class BasicAuth(Disableable):
    """Has clients give a name and a password (RFC 7617); others get 401."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        exactly_one("users", "secretRef", "disable"),
        CelRule(
            "!has(self.forwardUsernameHeader) || self.forwardUsernameHeader.lowerAscii() != "
            "(has(self.authenticationHeader) ? self.authenticationHeader.lowerAscii() : 'authorization')",
            "must not be the header that the password comes in: name another one",
            "forwardUsernameHeader",
        ),
    )

    users: Annotated[
        tuple[UserLine, ...] | None,
        Field(min_length=1, max_length=MAX_CREDENTIALS, repr=False),
        Doc(envoy="BasicAuthPerRoute.users"),
    ] = None
    """The users, each as a line that `htpasswd -nbs` prints: a name, a colon, and the SHA-1 hash of the password. Who
    may read the policy can read the hashes: prefer a Secret."""
    secret_ref: Annotated[SecretReference | None, ATOMIC, Doc(envoy="BasicAuthPerRoute.users")] = None
    """A Secret with such lines, by default under the key `.htpasswd`."""
    realm: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=ONE_LINE)] | None,
        Doc(envoy="BasicAuthPerRoute.realm"),
    ] = None
    """What the password is for, as browsers tell it, and for which they remember it. By default restricted."""
    forward_username_header: Annotated[ChangeableHeader | None, Doc(envoy="BasicAuth.forward_username_header")] = None
    """A header in which backends get the name. What clients send in it themselves is removed. By default none."""
    authentication_header: Annotated[ChangeableHeader | None, Doc(envoy="BasicAuth.authentication_header")] = None
    """The header that clients send name and password in. By default Authorization."""
    allow_missing: Annotated[Boolean | None, Doc(envoy="BasicAuth.allow_missing")] = None
    """Whether requests without name and password pass; those with wrong ones never do. By default false."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations unless the users come from one place, and their names have a header of their own."""
        yield from super().violations()
        if self.disable is None:
            yield from _only_one(type(self), self, "users", "secret_ref")
        if self.forward_username_header and self.forward_username_header == self.asked_header:
            yield FieldViolation(("forwardUsernameHeader",), self.rules[-1].message)

    @property
    def asked_header(self) -> str:
        """The header that name and password come in."""
        return self.authentication_header or "authorization"


CookieName = HeaderName
QueryName = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=PRINTABLE)]


class KeySource(CheckedFields):
    """Where in requests a key may be; of several members the header is looked at first, and then the query."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.header) || has(self.query) || has(self.cookie)", "must have header, query or cookie"),
    )

    header: Annotated[ChangeableHeader | None, Doc(envoy="KeySource.header")] = None
    """A header, whose value is the key, or `Bearer` and the key."""
    query: Annotated[QueryName | None, Doc(envoy="KeySource.query")] = None
    """A parameter of the query."""
    cookie: Annotated[CookieName | None, Doc(envoy="KeySource.cookie")] = None
    """A cookie."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of a source that is nowhere."""
        if self.header is None and self.query is None and self.cookie is None:
            yield FieldViolation((), "must have header, query or cookie: name one")


class KeySecretReference(Fields):
    """Names a Secret of keys."""

    name: ObjectName
    """The name of the Secret."""
    namespace: Namespace | None = None
    """Its namespace, by default that of the policy; in another one a ReferenceGrant has to permit it."""


class KeySecretSelector(CheckedFields):
    """Selects Secrets of the policy's namespace by their labels."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("size(self.matchLabels) > 0", "needs a label: all Secrets would be keys", "matchLabels"),
    )

    match_labels: MatchLabels
    """Labels that a Secret must have, with these values."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of a selector that selects all Secrets."""
        if not self.match_labels:
            yield FieldViolation(("matchLabels",), self.rules[0].message)


ClientName = Annotated[str, StringConstraints(min_length=1, max_length=253)]


class ApiKeyAuth(Disableable):
    """Has clients send a key that is known; others get 401."""

    rules: ClassVar[tuple[CelRule, ...]] = (exactly_one("secretRef", "secretSelector", "disable"),)

    key_sources: Annotated[
        tuple[KeySource, ...] | None,
        Field(min_length=1, max_length=MAX_KEY_SOURCES),
        unique(None, _AGAIN),
        Doc(envoy="ApiKeyAuthPerRoute.key_sources"),
    ] = None
    """Where the key may be; the first of them that a request has counts. By default the header `api-key`."""
    secret_ref: Annotated[KeySecretReference | None, ATOMIC, Doc(envoy="ApiKeyAuthPerRoute.credentials")] = None
    """A Secret whose data are the keys, each under the name of its client."""
    secret_selector: Annotated[KeySecretSelector | None, ATOMIC, Doc(envoy="ApiKeyAuthPerRoute.credentials")] = None
    """Secrets of the policy's namespace, by their labels; their data are the keys."""
    allowed_clients: Annotated[
        tuple[ClientName, ...] | None,
        Field(min_length=1, max_length=MAX_CREDENTIALS),
        unique(None, _AGAIN),
        Doc(envoy="ApiKeyAuthPerRoute.allowed_clients"),
    ] = None
    """The clients that may come in; others with a key get 403. By default all that have one."""
    client_id_header: Annotated[ChangeableHeader | None, Doc(envoy="Forwarding.header")] = None
    """A header in which backends get the name of the client. By default none."""
    forward_credential: Annotated[Boolean | None, Doc(envoy="Forwarding.hide_credentials")] = None
    """Whether backends get the key too. By default false."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations unless the keys come from one place, and the client's name has a header of its own."""
        yield from super().violations()
        if self.disable is None:
            yield from _only_one(type(self), self, "secret_ref", "secret_selector")
        if self.client_id_header and self.client_id_header in {each.header for each in self.sources}:
            message = "must not be a header that the key comes in: name another one"
            yield FieldViolation(("clientIdHeader",), message)

    @property
    def sources(self) -> tuple[KeySource, ...]:
        """Where keys are looked for."""
        return self.key_sources or (KeySource(header="api-key"),)


class OAuth2ClientCredentials(Fields):
    """How the proxy gets a token of its own (RFC 6749, 4.4); it gets another one before that ends."""

    token_endpoint: Annotated[
        str, StringConstraints(min_length=1, max_length=2048, pattern=PRINTABLE), Doc(envoy="OAuth2.token_endpoint.uri")
    ]
    """The URL that gives tokens."""
    backend_ref: Annotated[BackendObjectReference | None, ATOMIC, Doc(envoy="OAuth2.token_endpoint.cluster")] = None
    """The service at that URL, where it has one here: of another namespace only where a ReferenceGrant permits it. By
    default the host of the URL, by DNS and TLS."""
    client_id: Annotated[
        str,
        StringConstraints(min_length=1, max_length=256, pattern=PRINTABLE),
        Field(alias="clientID"),
        Doc(envoy="OAuth2.ClientCredentials.client_id"),
    ]
    """The name of the proxy as a client."""
    client_secret_ref: Annotated[SecretReference, ATOMIC, Doc(envoy="OAuth2.ClientCredentials.client_secret")]
    """A Secret with its password, by default under the key `client-secret`."""
    scopes: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=PRINTABLE)], ...] | None,
        Field(max_length=32),
        unique(None, _AGAIN),
        Doc(envoy="OAuth2.scopes"),
    ] = None
    """What the token is for. By default none."""
    auth_type: Annotated[
        Literal["BasicAuth", "URLEncodedBody"] | None, Doc(envoy="OAuth2.ClientCredentials.auth_type")
    ] = None
    """How the password is sent. By default BasicAuth."""


class CredentialInjection(Disableable):
    """Gives requests the credential that a backend asks for: a Secret's text, or a token of the proxy's own."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        exactly_one("secretRef", "oauth2ClientCredentials", "disable"),
        CelRule(
            "!has(self.oauth2ClientCredentials) || !(has(self.header) || has(self.prefix))",
            "must not be set together with header and prefix: its tokens are in Authorization, after Bearer",
            "oauth2ClientCredentials",
        ),
    )

    header: Annotated[ChangeableHeader | None, Doc(envoy="Generic.header")] = None
    """The header. By default Authorization."""
    prefix: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=PRINTABLE)] | None,
        Doc(envoy="Generic.header_value_prefix"),
    ] = None
    """What stands before the Secret's text, such as `Bearer` and a blank. By default nothing."""
    overwrite: Annotated[Boolean | None, Doc(envoy="CredentialInjector.overwrite")] = None
    """Whether it takes the place of what clients send in that header; otherwise theirs goes on. By default true."""
    secret_ref: Annotated[SecretReference | None, ATOMIC, Doc(envoy="Generic.credential")] = None
    """A Secret with the text, by default under the key `credential`."""
    oauth2_client_credentials: Annotated[OAuth2ClientCredentials | None, ATOMIC] = None
    """How the proxy gets a token."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations unless there is one credential, whose header is not fixed if it is a token."""
        yield from super().violations()
        if self.disable is None:
            yield from _only_one(type(self), self, "secret_ref", "oauth2_client_credentials")
        if self.oauth2_client_credentials is not None and (self.header or self.prefix):
            yield FieldViolation(("oauth2ClientCredentials",), self.rules[-1].message)
