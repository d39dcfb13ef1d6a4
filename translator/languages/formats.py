"""Envoy's substitution formats: text in which commands, such as ``%REQ(X-REQUEST-ID?:PATH):32%``, stand for values.

Envoy refuses a whole resource, or every resource of a response, for one wrong command in it. The table has the commands
that Envoy 1.40 has without further configuration; `tests/translator/languages/test_formats.py` compares it with a real
Envoy, and the same syntax: ``%``, the command, perhaps parameters and a length, ``%``; ``%%`` stands for one ``%``.

Source: https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/advanced/substitution_formatter
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from translator.languages import cel

Check = Callable[[str], str | None]
"""Takes the parameters of a command; returns what is wrong with them, or None."""

MAX_LENGTH: Final = 2**64 - 1
"""The greatest length that Envoy reads, in characters."""

# RE2's expression in Envoy, whose dot matches no newline either.
_COMMAND: Final = re.compile(r"%([A-Z0-9_]+)(?:\((.*?)\))?(?::([0-9]+))?%", re.ASCII)
_HEADER: Final = re.compile(r":?[A-Za-z0-9!#$%&'*+\-.^_`|~]+")
_NEWLINE_IN_TIME: Final = re.compile(r"%[-_0^#]*[1-9]*(?:E|O)?n")


def literal(text: str) -> str:
    """Return the format of a text that holds no commands: what Envoy writes is the text itself."""
    return text.replace("%", "%%")


def check_format(text: str) -> str | None:
    """Return what is wrong with a format, and what to write instead; None if Envoy takes it.

    Newlines are as good as other characters outside of commands; whether they are allowed depends on the field.
    """
    place = 0
    while (place := text.find("%", place)) >= 0:
        if text.startswith("%%", place):
            place += 2
            continue
        found = _COMMAND.match(text, place)
        if found is None:
            return _malformed(text[place:])
        name, parameters, length = found.groups()
        if problem := check_command(name, parameters or "", length):
            return f"{found[0]}: {problem}"
        place = found.end()
    return None


def check_formats(value: object) -> str | None:
    """Return what `check_format` does of the first text in JSON that is no format; keys need not be any."""
    if isinstance(value, str):
        return check_format(value)
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return next(filter(None, map(check_formats, inner)), None)


def check_command(name: str, parameters: str = "", length: str | None = None) -> str | None:
    """Return what is wrong with one command, and what to write instead; None if Envoy takes it."""
    if name in FORBIDDEN:
        return FORBIDDEN[name]
    command = COMMANDS.get(name)
    if command is None:
        return f"there is no command {name}{_nearest(name)}"
    if length is not None and not command.takes_length:
        return f"{name} takes no length: remove :{length}"
    if length is not None and int(length) > MAX_LENGTH:
        return f"the length must be at most {MAX_LENGTH}"
    if parameters and command.check is None:
        return f"{name} takes no parameters: write %{name}%"
    if not parameters and command.example is not None:
        return f"{name} requires parameters: write, for example, %{name}({command.example})%"
    return command.check(parameters) if command.check is not None and parameters else None


def _malformed(rest: str) -> str:
    start = rest[:32].splitlines()[0]
    written = re.match(r"%\s*([A-Za-z0-9_]+)", start)
    if written is None:
        return f"{start!r}: '%' begins a command: write %% for one '%'"
    name = written[1].upper()
    if name not in COMMANDS:
        return f"{start!r}: '%' begins a command: write %% for one '%', or a command, like %REQ(:PATH)%{_nearest(name)}"
    return f"{start!r}: a command is written %{name}%, or, where it has parameters, %{name}(…)%; write %% for one '%'"


def _nearest(name: str) -> str:
    found = get_close_matches(name, [*COMMANDS, *SYNONYMS], n=1)
    return f": did you mean {SYNONYMS.get(found[0], found[0])}?" if found else ""


class Command(NamedTuple):
    """A command.

    Attributes:
        check: the check of its parameters; None if it takes none.
        example: parameters that it takes; None if it needs none.
        takes_length: whether its value may be cut: ``:32``.
    """

    check: Check | None = None
    example: str | None = None
    takes_length: bool = False


def _anything(_: str) -> None:
    return None


def _headers(parameters: str) -> str | None:
    names = parameters.split("?")
    if len(names) > 2:
        return "has more than two headers: write a header, and at most one to take where it is not there"
    for name in names:
        if name and not _HEADER.fullmatch(name):
            return f"{name!r} is no header: write letters, digits and any of !#$%&'*+-.^_`|~, like X-REQUEST-ID"
    return None


def _one_of(*allowed: str) -> Check:
    choices = ", ".join(allowed)

    def check(parameters: str) -> str | None:
        return None if parameters in allowed else f"{parameters!r} is none of {choices}"

    return check


def _xfcc(parameters: str) -> str | None:
    return _one_of("by", "hash", "cert", "chain", "subject", "uri", "dns")(parameters.lower())


def _path(parameters: str) -> str | None:
    query, _, rest = parameters.partition(":")
    source = rest.partition(":")[0]
    if query not in ("", "WQ", "NQ"):
        return f"{query!r} is neither WQ (with the query) nor NQ (without)"
    if source not in ("", "ORIG", "PATH", "ORIG_OR_PATH"):
        return f"{source!r} is none of ORIG, PATH, ORIG_OR_PATH"
    return None


def _time(parameters: str) -> str | None:
    return "writes a newline: remove %n" if _NEWLINE_IN_TIME.search(parameters) else None


def _duration(parameters: str) -> str | None:
    parts = parameters.split(":")
    if len(parts) not in (2, 3):
        return "is not START:END or START:END:PRECISION, like DS_RX_BEG:DS_TX_END:ms"
    if len(parts) == 3 and parts[2] not in ("ms", "us", "ns"):
        return f"the precision {parts[2]!r} is none of ms, us, ns"
    return None


def _filter_state(parameters: str) -> str | None:
    key, *form = parameters.split(":")
    if not key:
        return "the key is empty: write the name of a filter state object"
    if not form or form in ([""], ["PLAIN"], ["TYPED"]) or (form[0] == "FIELD" and len(form) > 1 and form[1]):
        return None
    return "after the key, write PLAIN, TYPED, or FIELD and the name of a field, like KEY:FIELD:NAME"


def _metadata(parameters: str) -> str | None:
    kinds = ("DYNAMIC", "CLUSTER", "ROUTE", "UPSTREAM_HOST", "LISTENER", "LISTENER_FILTER_CHAIN", "VIRTUAL_HOST")
    kind = parameters.partition(":")[0]
    return None if kind in kinds else f"{kind!r} is none of {', '.join(kinds)}"


def _coalesce(parameters: str) -> str | None:
    try:
        plain = json.loads(parameters)
    except (ValueError, RecursionError) as error:
        return f"is not JSON ({error}): write, for example, {_COALESCE_EXAMPLE}"
    operators = plain.get("operators") if isinstance(plain, dict) else None
    if not isinstance(operators, list) or not operators:
        return f"has no list of operators: write, for example, {_COALESCE_EXAMPLE}"
    for place, each in enumerate(operators):
        if problem := _operator({"command": each} if isinstance(each, str) else each):
            return f"operators[{place}]: {problem}"
    return None


def _operator(plain: Any) -> str | None:
    if not isinstance(plain, dict) or not isinstance(plain.get("command"), str):
        return 'must be a command, like "PROTOCOL" or {"command": "REQ", "param": ":PATH"}'
    parameters, length = plain.get("param", ""), plain.get("max_length")
    if not isinstance(parameters, str):
        return "param must be a string"
    if length is not None and (type(length) is not int or not 0 < length < 2**63):
        return "max_length must be a number of characters, at least 1"
    return check_command(plain["command"], parameters, None if length is None else str(length))


_COALESCE_EXAMPLE: Final = '{"operators": [{"command": "REQ", "param": ":PATH"}, "PROTOCOL"]}'

_PLAIN: Final = """
    ACCESS_LOG_TYPE BYTES_RECEIVED BYTES_RETRANSMITTED BYTES_SENT CONNECTION_ID CONNECTION_TERMINATION_DETAILS
    CUSTOM_FLAGS DOWNSTREAM_CX_RTT DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED
    DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT DOWNSTREAM_DETECTED_CLOSE_TYPE DOWNSTREAM_DIRECT_LOCAL_ADDRESS
    DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID DOWNSTREAM_DIRECT_LOCAL_PORT DOWNSTREAM_DIRECT_REMOTE_ADDRESS
    DOWNSTREAM_DIRECT_REMOTE_PORT DOWNSTREAM_HANDSHAKE_DURATION DOWNSTREAM_HEADER_BYTES_RECEIVED
    DOWNSTREAM_HEADER_BYTES_SENT DOWNSTREAM_LOCAL_ADDRESS DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID
    DOWNSTREAM_LOCAL_CLOSE_REASON DOWNSTREAM_LOCAL_DNS_SAN DOWNSTREAM_LOCAL_EMAIL_SAN DOWNSTREAM_LOCAL_IP_SAN
    DOWNSTREAM_LOCAL_OTHERNAME_SAN DOWNSTREAM_LOCAL_PORT DOWNSTREAM_LOCAL_SUBJECT DOWNSTREAM_LOCAL_URI_SAN
    DOWNSTREAM_PEER_CERT DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1 DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256
    DOWNSTREAM_PEER_CHAIN_SERIALS DOWNSTREAM_PEER_DNS_SAN DOWNSTREAM_PEER_EMAIL_SAN DOWNSTREAM_PEER_FINGERPRINT_1
    DOWNSTREAM_PEER_FINGERPRINT_256 DOWNSTREAM_PEER_IP_SAN DOWNSTREAM_PEER_ISSUER
    DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256 DOWNSTREAM_PEER_ISSUER_SERIAL DOWNSTREAM_PEER_OTHERNAME_SAN
    DOWNSTREAM_PEER_SERIAL DOWNSTREAM_PEER_SUBJECT DOWNSTREAM_PEER_URI_SAN DOWNSTREAM_REMOTE_ADDRESS
    DOWNSTREAM_REMOTE_PORT DOWNSTREAM_TLS_CIPHER DOWNSTREAM_TLS_GROUP DOWNSTREAM_TLS_SESSION_ID
    DOWNSTREAM_TLS_VERSION DOWNSTREAM_TRANSPORT_FAILURE_REASON DOWNSTREAM_WIRE_BYTES_RECEIVED
    DOWNSTREAM_WIRE_BYTES_SENT DURATION FILTER_CHAIN_NAME GRPC_STATUS_NUMBER HOSTNAME LISTENER_NAME LOCAL_REPLY_BODY
    PACKETS_RETRANSMITTED PROTOCOL REQUESTED_SERVER_NAME REQUEST_DURATION REQUEST_HEADERS_BYTES REQUEST_TX_DURATION
    RESPONSE_CODE RESPONSE_DURATION RESPONSE_FLAGS RESPONSE_FLAGS_LONG RESPONSE_HEADERS_BYTES
    RESPONSE_TRAILERS_BYTES RESPONSE_TX_DURATION ROUNDTRIP_DURATION ROUTE_NAME ROUTE_RESOLUTION_COUNT
    ROUTE_RESOLUTION_TIME_US SPAN_ID STREAM_ID TLS_JA3_FINGERPRINT TLS_JA4_FINGERPRINT TRACE_ID UNIQUE_ID
    UPSTREAM_CLUSTER UPSTREAM_CLUSTER_RAW UPSTREAM_CONNECTION_ID UPSTREAM_CONNECTION_IDS_ATTEMPTED
    UPSTREAM_CONNECTION_POOL_READY_DURATION UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED
    UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT UPSTREAM_DETECTED_CLOSE_TYPE UPSTREAM_HEADER_BYTES_RECEIVED
    UPSTREAM_HEADER_BYTES_SENT UPSTREAM_HOST UPSTREAM_HOSTS_ATTEMPTED UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT
    UPSTREAM_HOST_NAME UPSTREAM_HOST_NAMES_ATTEMPTED UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT
    UPSTREAM_HOST_NAME_WITHOUT_PORT UPSTREAM_LOCAL_ADDRESS UPSTREAM_LOCAL_CLOSE_REASON UPSTREAM_LOCAL_DNS_SAN
    UPSTREAM_LOCAL_IP_SAN UPSTREAM_LOCAL_PORT UPSTREAM_LOCAL_URI_SAN UPSTREAM_PEER_CERT UPSTREAM_PEER_DNS_SAN
    UPSTREAM_PEER_IP_SAN UPSTREAM_PEER_ISSUER UPSTREAM_PEER_SUBJECT UPSTREAM_PEER_URI_SAN UPSTREAM_PROTOCOL
    UPSTREAM_REMOTE_ADDRESS UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID UPSTREAM_REMOTE_PORT UPSTREAM_REQUEST_ATTEMPT_COUNT
    UPSTREAM_SERVER_NAME UPSTREAM_TLS_CIPHER UPSTREAM_TLS_GROUP UPSTREAM_TLS_SESSION_ID UPSTREAM_TLS_VERSION
    UPSTREAM_TRANSPORT_FAILURE_REASON UPSTREAM_WIRE_BYTES_RECEIVED UPSTREAM_WIRE_BYTES_SENT VIRTUAL_CLUSTER_NAME
"""

_HEADER_COMMANDS: Final = "REQ RESP TRAILER REQUEST_HEADER RESPONSE_HEADER RESPONSE_TRAILER STREAM_INFO_REQ"
_ADDRESSES: Final = """
    DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT
    DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT
    UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT
"""
_TIMES: Final = """
    DOWNSTREAM_PEER_CERT_V_END DOWNSTREAM_PEER_CERT_V_START EMIT_TIME EMIT_TIME_LOCAL START_TIME START_TIME_LOCAL
    UPSTREAM_PEER_CERT_V_END UPSTREAM_PEER_CERT_V_START
"""

COMMANDS: Final[Mapping[str, Command]] = {
    **dict.fromkeys(_PLAIN.split(), Command()),
    **dict.fromkeys(_HEADER_COMMANDS.split(), Command(_headers, "X-REQUEST-ID", takes_length=True)),
    **dict.fromkeys(_ADDRESSES.split(), Command(_anything)),
    **dict.fromkeys(_TIMES.split(), Command(_time)),
    "CEL": Command(cel.check, "request.path", takes_length=True),
    "CLUSTER_METADATA": Command(_anything, "NAMESPACE:KEY"),
    "COALESCE": Command(_coalesce, _COALESCE_EXAMPLE, takes_length=True),
    "COMMON_DURATION": Command(_duration, "DS_RX_BEG:DS_TX_END:ms"),
    "DYNAMIC_METADATA": Command(_anything, "NAMESPACE:KEY", takes_length=True),
    "FILTER_STATE": Command(_filter_state, "KEY:PLAIN", takes_length=True),
    "GRPC_STATUS": Command(_one_of("CAMEL_STRING", "SNAKE_STRING", "NUMBER")),
    "METADATA": Command(_metadata, "ROUTE:NAMESPACE:KEY", takes_length=True),
    "PATH": Command(_path, takes_length=True),
    "QUERY_PARAM": Command(_anything, "NAME", takes_length=True),
    "QUERY_PARAMS": Command(_one_of("ORIG", "DECODED"), takes_length=True),
    "RESPONSE_CODE_DETAILS": Command(_anything),
    "UPSTREAM_FILTER_STATE": Command(_filter_state, "KEY:PLAIN", takes_length=True),
    "UPSTREAM_METADATA": Command(_anything, "NAMESPACE:KEY"),
    "XFCC_VALUE": Command(_xfcc, "uri", takes_length=True),
}
"""The commands by name."""

FORBIDDEN: Final[Mapping[str, str]] = {
    "ENVIRONMENT": "would show the environment of the proxy, which may hold secrets: write the value itself",
}
"""Commands that Envoy has and no format may use, and why."""

SYNONYMS: Final[Mapping[str, str]] = {
    "METHOD": "REQ(:METHOD)",
    "AUTHORITY": "REQ(:AUTHORITY)",
    "HOST": "REQ(:AUTHORITY)",
    "SCHEME": "REQ(:SCHEME)",
    "STATUS": "RESPONSE_CODE",
    "STATUS_CODE": "RESPONSE_CODE",
    "CLIENT_IP": "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "REMOTE_ADDRESS": "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "REQUEST_ID": "REQ(X-REQUEST-ID)",
    "REQ_WITHOUT_QUERY": "PATH(NQ)",
    "BODY": "LOCAL_REPLY_BODY",
}
"""Names that one may look for, and what Envoy calls them."""
