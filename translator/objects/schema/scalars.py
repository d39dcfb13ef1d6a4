"""The strings and numbers that fields hold, with the limits the custom resource definitions put on them.

Source: `config/crd/experimental` of Gateway API v1.7.0; for names, labels and annotations, apimachinery's validation.
"""

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Final

from pydantic import Field, GetPydanticSchema, PlainValidator, StrictBool, StrictInt, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from translator.waf_profile import PATH as WAF_PATH
from translator.waf_profile import TARGET as WAF_TARGET

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
_TOKEN: Final = r"^[A-Za-z0-9!#$%&'*+\-.^_\x60|~]+$"
_REQUEST_FIELD: Final = r"^(:path|:method|:authority|[A-Za-z0-9!#$%&'*+\-.^_\x60|~]+)$"
_RESPONSE_FIELD: Final = r"^(:status|[A-Za-z0-9!#$%&'*+\-.^_\x60|~]+)$"
_PATH_TAIL: Final = r"[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+"

DNS_LABEL: Final = f"^{_LABEL}$"
PORT_NAME: Final = f"^({_LABEL})?$"
DNS_SUBDOMAIN: Final = f"^{_DOMAIN}$"
EXTERNAL_NAME: Final = rf"^({_DOMAIN}\.?)?$"
HOSTNAME: Final = rf"^(\*\.)?{_DOMAIN}$"
GROUP: Final = f"^$|^{_DOMAIN}$"
KIND: Final = "^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$"
CONTROLLER: Final = rf"^{_DOMAIN}\/{_PATH_TAIL}$"
ADDRESS_TYPE: Final = rf"^Hostname|IPAddress|NamedAddress|{_DOMAIN}\/{_PATH_TAIL}$"
ABSOLUTE_URI: Final = r"^(([^:/?#]+):)(//([^/?#]*))([^?#]*)(\?([^#]*))?(#(.*))?"
WELL_KNOWN: Final = rf"^(System|({_DOMAIN}/([A-Za-z0-9][-A-Za-z0-9_.]{{0,61}})?[A-Za-z0-9]))$"
PROTOCOL: Final = rf"^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|{_DOMAIN}\/[A-Za-z0-9]+$"
PATH_CHARACTERS: Final = r"^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$"
ORIGIN: Final = r"(^\*$)|(^(http(s)?):\/\/(((\*\.)?([a-zA-Z0-9\-]+\.)*[a-zA-Z0-9-]+|\*)(:([0-9]{1,5}))?)$)"
QUALIFIED_NAME: Final = rf"^({_DOMAIN}/)?([A-Za-z0-9][-A-Za-z0-9_.]{{0,61}})?[A-Za-z0-9]$"
ANNOTATION_KEY: Final = f"(?i){QUALIFIED_NAME}"
LABEL_VALUE: Final = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"
DATA_KEY: Final = "^[-._a-zA-Z0-9]+$"
HOST: Final = r"^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:[0-9]{1,5})?$"
HOST_AND_PORT: Final = r"^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?:[0-9]{1,5}$"
SUBSTITUTION: Final = "^[!-~]*$"
AUTHORIZER_PATH: Final = r"^/(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})*$"
METRIC_NAME: Final = "^[A-Za-z0-9_]+$"
MEDIA_TYPE: Final = r"^[A-Za-z0-9!#$&^_.+\-]+/[A-Za-z0-9!#$&^_.+\-]+$"
COOKIE_PATH: Final = "^/[!-:<-~]*$"
COOKIE_ATTRIBUTE: Final = "^[A-Za-z][-A-Za-z0-9]*$"
COOKIE_VALUE: Final = "^[ -:<-~]*$"
HEADER_PREFIX: Final = "^[a-z0-9-]*$"
BUNDLE_NAME: Final = r"^[^/%\x00-\x1f]+$"
_SEGMENT: Final = "[-A-Za-z0-9._~!$&'()*+,;=:@?]|%[0-9a-fA-F]{2}"
REDIRECT_PATH: Final = f"^/(({_SEGMENT})(/|{_SEGMENT})*)?$"
ONE_LINE: Final = r"^[^\x00-\x08\x0a-\x1f\x7f]*$"
PRINTABLE: Final = r"^[\x20-\x7e]+$"
PRINTABLE_OR_EMPTY: Final = r"^[\x20-\x7e]*$"
VISIBLE: Final = r"^[\x21-\x7e]+$"
PROXY_FILE: Final = "^(/[A-Za-z0-9_@+-][-A-Za-z0-9._@+]*)+$"
HTTP_URL: Final = r"^https?://[-A-Za-z0-9.:\[\]]+([/?][!-\x22$-~]*)?$"
_URL_AUTHORITY: Final = r"[^\s/?#@%]+"
_OAUTH_SEGMENTS: Final = r"(/[-A-Za-z0-9._~!$&'()*+,;=:@]+)+/?"
URL: Final = rf"^https?://{_URL_AUTHORITY}([/?][!-\x22$-~]*)?$"
OAUTH_PATH: Final = f"^{_OAUTH_SEGMENTS}$"
REDIRECT_URI: Final = (
    r"^(https?|%REQ\((x-forwarded-proto|X-FORWARDED-PROTO)\)%)://"
    rf"({_URL_AUTHORITY}|%REQ\((:authority|:AUTHORITY)\)%){_OAUTH_SEGMENTS}$"
)
OAUTH_SCOPE: Final = r"^[!#-\[\]-~]+$"
FILE_PATH: Final = r"^/[-A-Za-z0-9._/]+$"
METADATA_NAME: Final = "^[-A-Za-z0-9._/]+$"
KEY_HASH: Final = r"^[A-Za-z0-9+/]{43}=$"
CERTIFICATE_HASH: Final = "^([0-9a-fA-F]{64}|([0-9a-fA-F]{2}:){31}[0-9a-fA-F]{2})$"

AWS_TAG_KEY: Final = r"^[^\x00-\x1f\x7f]{1,128}$"
AWS_TAG_VALUE: Final = r"^[^\x00-\x1f\x7f]{0,256}$"
BACKEND_HOST: Final = r"^[0-9A-Za-z_]([-0-9A-Za-z_.:]*[0-9A-Za-z_:.])?$|^::[0-9A-Fa-f.:]*$"
UNIX_PATH: Final = r"^/[!-~]+$"
ALLOWED_HOST: Final = r"^([*]|([*][.])?[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*)$"
AWS_ACCOUNT: Final = r"^[0-9]{12}$"
AWS_REGION: Final = r"^[a-z]{2}(-[a-z]+)+-[0-9]$"
AWS_FUNCTION: Final = r"^[A-Za-z0-9_-]{1,140}$"
AWS_QUALIFIER: Final = r"^(\$LATEST|[A-Za-z0-9_-]{1,128})$"
AWS_ROLE: Final = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[!-~]{1,512}$"
AWS_SESSION: Final = r"^[A-Za-z0-9_=,.@-]{2,64}$"
AWS_EXTERNAL_ID: Final = r"^[A-Za-z0-9_=,.@:/-]+$"
AWS_ENDPOINT: Final = r"^https?://[A-Za-z0-9.:\[\]-]+/?$"
GCP_HOST: Final = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?[.])*[a-z]([-a-z0-9]*[a-z0-9])?$"
GCP_AUDIENCE: Final = r"^[A-Za-z0-9:/._~-]+$"
DATABASE_FILE: Final = r"^/[^\x00-\x1f\x7f]*\.mmdb$"
IMAGE: Final = (
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.:][a-z0-9]([-a-z0-9]*[a-z0-9])?)+(/[a-z0-9]+([._-]+[a-z0-9]+)*)+"
    r"(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(@sha256:[0-9a-f]{64})?$"
)
SHA256: Final = "^[0-9a-f]{64}$"
VARIABLE: Final = "^[A-Za-z_][A-Za-z0-9_]*$"
FAILURE: Final = "^(5xx|gateway-error|connect-failure|reset|[45][0-9]{2})$"
GRPC_NAME: Final = "^[A-Za-z_][A-Za-z0-9_.]*$"
MODEL_PATTERN: Final = r"^[!-)+-~]+[*]?$"
MODELS_PATTERN: Final = r"^([!-)+-~]+[*]?|[*])$"
MODEL_PREFIX: Final = r"^(/[-A-Za-z0-9._~!$&'()*+,;=:@]*[-A-Za-z0-9_~!$&'()*+,;=:@])+$"
RESOURCE_URL: Final = r"^https?://[-A-Za-z0-9.:\[\]]+(/[-A-Za-z0-9/._~!$&'()*+,;=:@%]*)?$"
TOOL_PATTERN: Final = "^[A-Za-z0-9_./*-]+$"
TOOL_NAME: Final = "^[A-Za-z0-9_.-]+$"
AGENT_METHOD: Final = "^[A-Za-z0-9_./-]+$"
TOOL_ARGUMENT: Final = "^[A-Za-z0-9_$-]+$"
TOOL_BODY: Final = "^([*]|[A-Za-z0-9_$-]+)$"
PATH_TEMPLATE: Final = r"^/(?:[-A-Za-z0-9/._~!$&'()*+,;=:@{}]|[%][0-9a-fA-F]{2})*$"

PATTERNS: Final[Mapping[str, str]] = {
    RESOURCE_URL: "must be an absolute URL of http or https without a query, like https://tools.example.com/mcp",
    TOOL_NAME: "may hold letters, digits, '_', '.' and '-'",
    AGENT_METHOD: "may hold letters, digits, '_', '.', '/' and '-'",
    TOOL_ARGUMENT: "may hold letters, digits, '_', '$' and '-'",
    TOOL_BODY: "must be '*', or the name of an argument: letters, digits, '_', '$' and '-'",
    PATH_TEMPLATE: "must be a path that begins with '/', in which {name} stands for an argument",
    TOOL_PATTERN: "may hold letters, digits, '_', '.', '/' and '-', and '*' for any part",
    DNS_LABEL: "may hold lower-case letters, digits and '-', and starts and ends with a letter or digit",
    PORT_NAME: "may hold lower-case letters, digits and '-', and starts and ends with a letter or digit",
    EXTERNAL_NAME: "must be a lower-case DNS name, like api.example.com",
    DNS_SUBDOMAIN: "may hold lower-case letters, digits, '-' and '.', and starts and ends with a letter or digit",
    HOSTNAME: "must be a lower-case DNS name, like shop.example.com or *.example.com",
    GROUP: "must be an API group, like gateway.networking.k8s.io, or empty for the core group",
    KIND: "must be a kind, like Service: letters, digits and '-'",
    CONTROLLER: "must be a domain and a path, like gateway.headgate.dev/controller",
    ADDRESS_TYPE: "must be IPAddress, Hostname, NamedAddress, or a domain and a path",
    PROTOCOL: "must be HTTP, HTTPS, TLS, TCP, UDP, or a domain and a name, like example.com/protocol",
    _TOKEN: "must be a header name: letters, digits and any of !#$%&'*+-.^_`|~",
    _REQUEST_FIELD: "must be a header name, or one of ':path', ':method' and ':authority'",
    _RESPONSE_FIELD: "must be a header name, or ':status'",
    PATH_CHARACTERS: "may hold only the characters of a URL path: write others in the form %20",
    ORIGIN: "must be * or an origin without a path, like https://shop.example.com or https://*.example.com:8443",
    ABSOLUTE_URI: "must be a whole URI, like spiffe://cluster.local/ns/shop/sa/cart",
    WELL_KNOWN: "must be System, or a domain, '/' and a name",
    QUALIFIED_NAME: "must be a name of up to 63 letters, digits, '-', '_' and '.', or a domain, '/' and such a name",
    ANNOTATION_KEY: "must be a name of up to 63 letters, digits, '-', '_' and '.', or a domain, '/' and such a name",
    LABEL_VALUE: "may hold letters, digits, '-', '_' and '.', and starts and ends with a letter or digit",
    DATA_KEY: "may hold letters, digits, '-', '_' and '.'",
    HOST: "must be a hostname or an IPv4 address, with a port if need be, like api.example.com:8443",
    AUTHORIZER_PATH: "must be a path that begins with '/', of the characters of a URL path: write others like %20",
    METRIC_NAME: "may hold letters, digits and '_'",
    HOST_AND_PORT: "must be a hostname or an IPv4 address, and a port, like redis.example.com:6379",
    SUBSTITUTION: "may hold only visible ASCII characters: write others in the form %20",
    MEDIA_TYPE: "must be a type and a subtype, like text/plain, without parameters",
    COOKIE_PATH: "must begin with '/', and may hold only visible ASCII characters but ';'",
    COOKIE_ATTRIBUTE: "must be the name of an attribute, like SameSite: letters, digits and '-'",
    COOKIE_VALUE: "may hold only ASCII characters but ';' and control characters",
    AWS_TAG_KEY: "must be the key of a tag: up to 128 characters, and no control characters",
    AWS_TAG_VALUE: "must be the value of a tag: up to 256 characters, and no control characters",
    BACKEND_HOST: "must be a DNS name or an IP address, without a port or brackets",
    UNIX_PATH: "must be an absolute path, of visible ASCII characters",
    ALLOWED_HOST: "must be a lower-case DNS name, like api.example.com or *.example.com, or * for all",
    AWS_ACCOUNT: "must be the 12 digits of an account",
    AWS_REGION: "must be a region, like eu-west-1",
    AWS_FUNCTION: "must be the name of a function: letters, digits, '-' and '_', and no ARN",
    AWS_QUALIFIER: "must be a version or an alias, or $LATEST: letters, digits, '-' and '_'",
    AWS_ROLE: "must be the ARN of a role, like arn:aws:iam::123456789012:role/headgate",
    AWS_SESSION: "must be 2 to 64 letters, digits and any of _=,.@-",
    AWS_EXTERNAL_ID: "may hold letters, digits and any of _=,.@:/-",
    AWS_ENDPOINT: "must be an http or https URL without a path, like https://lambda.eu-west-1.amazonaws.com",
    GCP_HOST: "must be a lower-case DNS name, like hello-4bcd5e.a.run.app",
    GCP_AUDIENCE: "must be a URL without a query, or another name of letters, digits and any of :/._~-",
    HEADER_PREFIX: "may hold lower-case letters, digits and '-'",
    REDIRECT_PATH: "must be a path that begins with one '/', of the characters of a URL: write others like %20",
    ONE_LINE: "must be one line without control characters",
    WAF_TARGET: "must be a part of requests, like ARGS, ARGS:comment or REQUEST_COOKIES:session",
    WAF_PATH: "must be a path that begins with '/', of the characters of a URL path, and nothing in the form %20",
    PRINTABLE: "may hold only visible ASCII characters and spaces",
    PRINTABLE_OR_EMPTY: "may hold only visible ASCII characters and spaces",
    VISIBLE: "may hold only visible ASCII characters",
    PROXY_FILE: "must be an absolute path, like /etc/certs/ca.crt: letters, digits and any of -._@+, no hidden files",
    HTTP_URL: "must be an absolute URL without a user and a fragment, like https://idp.example.com/keys",
    URL: "must be a whole http or https URL without a fragment, user or password, like https://id.example.com/token",
    OAUTH_PATH: "must be a path, like /logout, without a query and encoded characters",
    REDIRECT_URI: "must be a URL with a path, like https://shop.example.com/oauth2/redirect, or like "
    "%REQ(x-forwarded-proto)%://%REQ(:authority)%/oauth2/redirect for that of the request",
    OAUTH_SCOPE: "must be a scope, like openid: visible ASCII characters but '\"' and '\\'",
    IMAGE: "must be an image with its registry, like ghcr.io/team/module:v1, or ghcr.io/team/module@sha256:…",
    SHA256: "must be a SHA-256 as `sha256sum` prints it: 64 digits and lower-case letters from a to f",
    VARIABLE: "must be the name of an environment variable: letters, digits and '_', and no digit first",
    KEY_HASH: "must be a SHA-256 in base64, as `openssl dgst -sha256 -binary | base64` prints it: 44 characters",
    CERTIFICATE_HASH: "must be a SHA-256 in 64 hexadecimal digits, with colons between each two of them or without",
    FILE_PATH: "must be an absolute path of letters, digits, '-', '.', '_' and '/'",
    METADATA_NAME: "may hold letters, digits, '-', '.', '_' and '/'",
    DATABASE_FILE: "must be the absolute path of a database, like /geo/city.mmdb",
    FAILURE: "must be 5xx, gateway-error, connect-failure, reset, or a status from 400 on, like 429",
    GRPC_NAME: "must be the name of a service or method in its .proto file, like shop.Checkout",
    MODEL_PATTERN: "must be the name of a model, or its beginning with '*' behind it: visible ASCII characters",
    MODELS_PATTERN: "must be the name of a model, its beginning with '*' behind it, or '*': visible ASCII characters",
    MODEL_PREFIX: "must be a path, like /v1, without '/' at its end, of the characters of a URL path",
    BUNDLE_NAME: "must not hold '/', '%' and control characters",
}
"""What each pattern asks for, in words, for the messages."""

Text = Annotated[str, StringConstraints(min_length=0)]
"""Any text. Only where a constraint is to be checked does pydantic refuse half a surrogate pair, which is no text."""

Boolean = StrictBool
MAX_GENERATION = 2**63 - 1
"""`metadata.generation` is an int64, as `observedGeneration` is."""

Int32 = Annotated[StrictInt, Field(ge=-(2**31), le=2**31 - 1)]
Count = Annotated[StrictInt, Field(ge=0, le=2**31 - 1)]
PositiveCount = Annotated[StrictInt, Field(ge=1, le=2**31 - 1)]
PortNumber = Annotated[StrictInt, Field(ge=1, le=65535)]

DnsLabel = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=DNS_LABEL)]
PortName = Annotated[str, StringConstraints(max_length=63, pattern=PORT_NAME)]
"""The name of a Service's port; "" where it has none."""
ExternalName = Annotated[str, StringConstraints(max_length=253, pattern=EXTERNAL_NAME)]
DnsSubdomain = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=DNS_SUBDOMAIN)]
Hostname = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=HOSTNAME)]
PreciseHostname = DnsSubdomain
SectionName = DnsSubdomain
Namespace = DnsLabel
Group = Annotated[str, StringConstraints(max_length=253, pattern=GROUP)]
Kind = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=KIND)]
ObjectName = Annotated[str, StringConstraints(min_length=1, max_length=253)]
HeaderName = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=_TOKEN)]
RequestField = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=_REQUEST_FIELD)]
"""The name of a header, or of a pseudo header of requests."""
ResponseField = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=_RESPONSE_FIELD)]
"""The name of a header, or of the pseudo header of responses."""
HeaderValue = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
"""As the standard channel has it, which takes any characters; the experimental one would have visible ASCII only."""


AbsoluteUri = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=ABSOLUTE_URI)]
QualifiedName = Annotated[str, StringConstraints(max_length=317, pattern=QUALIFIED_NAME)]
LabelValue = Annotated[str, StringConstraints(max_length=63, pattern=LABEL_VALUE)]
AnnotationKey = Annotated[str, StringConstraints(max_length=317, pattern=ANNOTATION_KEY)]
AnnotationValue = Annotated[str, StringConstraints(max_length=4096)]
DataKey = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=DATA_KEY)]

# Read as a Mapping, so that mypy refuses changes; validated as a dict, which is several times as fast.
StringMap = Annotated[Mapping[str, str], GetPydanticSchema(lambda _, handler: handler(dict[Text, Text]))]
Labels = Annotated[Mapping[str, str], GetPydanticSchema(lambda _, handler: handler(dict[QualifiedName, LabelValue]))]
Annotations = Annotated[Mapping[str, str], GetPydanticSchema(lambda _, handler: handler(dict[AnnotationKey, Text]))]

DURATION: Final = "^([0-9]{1,5}(h|m|s|ms)){1,4}$"
_DURATION: Final = re.compile(DURATION)
_DURATION_PART: Final = re.compile(r"([0-9]+)(ms|h|m|s)")
_UNIT: Final[Mapping[str, int]] = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}


def milliseconds(duration: object) -> int:
    """Return a duration of GEP-2257 ("1h30m", "500ms", "0s") in milliseconds.

    Raises:
        PydanticCustomError: It is no such duration; the message says what one looks like.
    """
    if not isinstance(duration, str) or not _DURATION.fullmatch(duration):
        raise PydanticCustomError(
            "duration", "must be a duration, like 10s, 500ms or 1h30m: up to four whole numbers with h, m, s or ms"
        )
    return sum(int(number) * _UNIT[unit] for number, unit in _DURATION_PART.findall(duration))


def _positive_milliseconds(duration: object) -> int:
    found = milliseconds(duration)
    if not found:
        raise PydanticCustomError("duration", "must be longer than 0s")
    return found


_DURATION_SCHEMA: Final = {"type": "string", "maxLength": 28, "pattern": DURATION}
_SOME_TIME: Final = {"rule": "duration(self) > duration('0s')", "message": "must be longer than 0s"}

Milliseconds = Annotated[int, PlainValidator(milliseconds), WithJsonSchema(_DURATION_SCHEMA)]
"""A duration of GEP-2257, held as a whole number of milliseconds."""

PositiveMilliseconds = Annotated[
    int,
    PlainValidator(_positive_milliseconds),
    WithJsonSchema({**_DURATION_SCHEMA, "x-kubernetes-validations": [_SOME_TIME]}),
]
"""Such a duration of 1 ms at least."""


# A service name of RFC 6335, with at least one letter, as the API server has it.
_PORT_OF_CONTAINER: Final = re.compile(r"(?=.{1,15}\Z)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")


def _int_or_string(value: object) -> int | str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise PydanticCustomError("int_or_string", "must be a port number, or the name of a port")
    if isinstance(value, int) and not 1 <= value <= 65535:
        raise PydanticCustomError("int_or_string", "must be between 1 and 65535")
    if isinstance(value, str) and not _PORT_OF_CONTAINER.fullmatch(value):
        raise PydanticCustomError(
            "int_or_string", "must be a port number, or the name of a port: up to 15 lower-case letters, digits and '-'"
        )
    return value


PortNumberOrName = Annotated[int | str, PlainValidator(_int_or_string)]


def is_ip_address(text: str) -> bool:
    """Whether it is an IPv4 or IPv6 address, without a zone, which the API does not take."""
    return is_address(IPv4Address, text) or is_address(IPv6Address, text)


def is_address(family: type[IPv4Address | IPv6Address], text: str) -> bool:
    """Whether it is an address of the family, without a zone, which the API does not take."""
    try:
        family(text)
    except ValueError:
        return False
    return "%" not in text


_DOMAIN_NAME: Final = re.compile(DNS_SUBDOMAIN)


def is_domain_name(text: str) -> bool:
    """Whether it is a lower-case DNS name without a wildcard."""
    return len(text) <= 253 and bool(_DOMAIN_NAME.fullmatch(text))
