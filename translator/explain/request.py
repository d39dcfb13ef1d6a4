"""Requests as clients write them: method, URL, headers and the length of a body."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit

DEFAULT_PORTS: Final = {"http": 80, "https": 443}

FORM: Final = "application/x-www-form-urlencoded"
"""The Content-Type of a body that comes without one, as curl sends it."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CONTROL: Final = re.compile(r"[\x00-\x20\x7f]")
_KEPT: Final = "".join(chr(each) for each in range(0x21, 0x7F))


class RequestError(ValueError):
    """A request that no client could send; the message says what to write instead."""


class Header(NamedTuple):
    """A header of a request or response; the name is in lower case."""

    name: str
    value: str


Headers = tuple[Header, ...]


def values(headers: Iterable[Header], name: str) -> list[str]:
    """Return the values of a header, by its name in lower case."""
    return [each.value for each in headers if each.name == name]


@dataclass(frozen=True, slots=True)
class Request:
    """A request as a client sends it.

    Attributes:
        method: the method.
        scheme: ``http`` or ``https``.
        server_name: the name that the client asks for in the TLS handshake; "" where the URL has an IP address.
        port: the port that the client connects to.
        host: the Host header.
        path: the path and the query, as they were written.
        headers: the others.
        size: the length of the body, in bytes; None without a body.
        model: the model that the body names; "" if it names none, None if it is not what Envoy reads (`model_of`).
    """

    method: str
    scheme: str
    server_name: str
    port: int
    host: str
    path: str
    headers: Headers = ()
    size: int | None = None
    model: str | None = ""


MODEL_BYTES: Final = 256
"""The longest name of a model that Envoy reads (``RequestParsingLimits.inline_string_threshold_bytes``)."""


def model_of(body: bytes) -> str | None:
    """Return the model that a body names, as Envoy reads it: "" if none; None if it refuses the body with 400."""
    if not body:
        return ""
    try:
        found = json.loads(body.decode(), object_pairs_hook=_members)
    except (ValueError, RecursionError):
        return None
    model = found.get("model") if isinstance(found, dict) else None
    return model if isinstance(model, str) and len(model.encode()) <= MODEL_BYTES else ""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a member is there twice")
    return found


def parse_request(
    method: str, url: str, headers: Iterable[str] = (), size: int | None = None, model: str | None = ""
) -> Request:
    """Read a request.

    Args:
        method: the method, in any case.
        url: an absolute URL; what it says of users becomes an Authorization header, as curl does it.
        headers: lines such as ``accept: text/html``. A Host takes the place of the URL's, but for TLS.
        size: the length of the body, in bytes; None without a body.
        model: the model that the body names, as `model_of` returns it.

    Raises:
        RequestError: one of them is not valid.
    """
    if not _TOKEN.fullmatch(method):
        raise RequestError(f"{method!r} is not a method: write GET, POST, …, then the URL")
    if method.upper() == "CONNECT":
        raise RequestError("requests with the method CONNECT are not explained: they name no path")
    found = _split(url)
    port, name = _port(found), _host_name(found)
    authority = f"[{name}]" if ":" in name else name
    if port != DEFAULT_PORTS[found.scheme]:
        authority += f":{port}"
    sent = [_header(each) for each in headers]
    if found.username is not None:
        login = f"{unquote(found.username)}:{unquote(found.password or '')}"
        sent.append(Header("authorization", f"Basic {base64.b64encode(login.encode()).decode()}"))
    if size is not None:
        sent += [] if values(sent, "content-type") else [Header("content-type", FORM)]
        sent += [] if values(sent, "content-length") else [Header("content-length", str(size))]
    hosts = values(sent, "host")
    return Request(
        method.upper(),
        found.scheme,
        "" if _is_address(name) else name.rstrip("."),
        port,
        hosts[0] if hosts else authority,
        _path(found),
        tuple(each for each in sent if each.name != "host"),
        size,
        model,
    )


def _split(url: str) -> SplitResult:
    if _CONTROL.search(url):
        raise RequestError(f"{url!r} has a blank or a control character: write %20 for a blank")
    try:
        found = urlsplit(url)
    except ValueError as error:
        raise RequestError(f"{url!r} is not a URL: {error}") from error
    if "://" not in url:
        raise RequestError(f"{url!r} has no scheme: write http://{url} or https://{url}")
    if found.scheme not in DEFAULT_PORTS:
        raise RequestError(f"{url!r}: the scheme {found.scheme} is not http or https")
    if not found.hostname:
        raise RequestError(f"{url!r} names no host: write {found.scheme}://HOST/PATH")
    return found


def _port(found: SplitResult) -> int:
    try:
        port = found.port
    except ValueError:
        port = 0
    if port == 0:
        raise RequestError(f"{found.netloc!r}: the port is not a number from 1 to 65535")
    return port or DEFAULT_PORTS[found.scheme]


def _host_name(found: SplitResult) -> str:
    name = found.hostname or ""
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode()
    except UnicodeError as error:
        raise RequestError(f"{name!r} is not a hostname: {error}") from error


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _path(found: SplitResult) -> str:
    """Return the target of the request: what is not ASCII is escaped, as browsers do it, and all else is kept."""
    path = quote(found.path or "/", safe=_KEPT)
    query = f"?{quote(found.query, safe=_KEPT)}" if found.query else ""
    return f"{path}{query}"


def _header(line: str) -> Header:
    name, colon, value = line.partition(":")
    if not colon or not _TOKEN.fullmatch(name.strip()):
        raise RequestError(f"{line!r} is not a header: write 'NAME: VALUE', as in -H 'accept: text/html'")
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
        raise RequestError(f"the value of {name} has a control character, which no header can have")
    return Header(name.strip().lower(), value.strip(" \t"))
