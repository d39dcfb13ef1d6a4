"""One request and its response, as a proxy tells of them: when what is inspected, and what is refused unseen."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from google.protobuf.struct_pb2 import Struct

from headgate.waf.inspection import Headers, InspectedResponse, Inspection
from headgate_proto.envoy.config.core.v3.base_pb2 import HeaderMap
from headgate_proto.envoy.extensions.filters.http.ext_proc.v3.processing_mode_pb2 import ProcessingMode
from headgate_proto.envoy.service.ext_proc.v3.external_processor_pb2 import HttpHeaders, ProcessingRequest
from translator.waf_profile import Profile

TOO_LARGE: Final = 413
BAD_REQUEST: Final = 400
BODILESS: Final = frozenset({"GET", "CONNECT"})
OF_BODIES: Final = frozenset({"content-length", "transfer-encoding", "content-type"})
"""Headers of requests that have a body."""
NO_REQUEST_BODY: Final = ProcessingMode(request_body_mode=ProcessingMode.NONE, response_body_mode=ProcessingMode.NONE)
NO_RESPONSE_BODY: Final = ProcessingMode(response_body_mode=ProcessingMode.NONE)
TEXTS: Final = ("text/", "application/json", "application/xml", "application/javascript", "application/xhtml+xml")
"""How the types of bodies of responses begin that are inspected; those of events are not, which may never end."""
EVENTS: Final = "text/event-stream"
UNKNOWN: Final = "0.0.0.0"
"""The address of a client that has none, such as one at a socket of Unix."""


@dataclass(frozen=True, slots=True)
class NextStep:
    """What follows from a part.

    Attributes:
        inspection: what is inspected now; None if nothing is.
        body: the body of that.
        refusal: the status with which the request is refused unseen; 0 if it is not.
        mode: what the proxy sends from now on, where that is other than the filter says.
    """

    inspection: Inspection | None = None
    body: bytes = b""
    refusal: int = 0
    mode: ProcessingMode | None = None


class InspectedExchange:
    """One request and its response.

    Attributes:
        route: the name of the route, as the proxy says it.
    """

    def __init__(self, text: str, profile: Profile) -> None:
        self.route = ""
        self._text = text
        self._profile = profile
        self._request: Inspection | None = None
        self._response: InspectedResponse | None = None
        self._is_inspected = False

    def take(self, part: str, message: ProcessingRequest) -> NextStep:
        """Take a part; return what follows."""
        match part:
            case "request_headers":
                return self._request_headers(message.request_headers, message.attributes)
            case "request_body":
                return self._request_body(message.request_body.body, message.request_body.end_of_stream)
            case "request_trailers":
                return NextStep() if self._is_inspected else self._inspect(b"")
            case "response_headers":
                return self._response_headers(message.response_headers)
            case "response_body":
                return self._response_body(message.response_body.body)
            case _:
                return NextStep()

    def _request_headers(self, found: HttpHeaders, attributes: Mapping[str, Struct]) -> NextStep:
        told = {key: value for each in attributes.values() for key, value in each.items() if isinstance(value, str)}
        self.route = told.get("xds.route_name", "")
        headers, pseudo = _headers(found.headers)
        client, port = _address(told.get("source.address", ""))
        if ":authority" in pseudo:
            headers = (("host", pseudo[":authority"]), *headers)
        self._request = Inspection(
            self._text,
            pseudo.get(":method", "GET"),
            pseudo.get(":path", "/"),
            told.get("request.protocol", "HTTP/1.1").removeprefix("HTTP/"),
            headers,
            client,
            port,
        )
        if found.end_of_stream:
            return self._inspect(b"")
        if _is_upgrade(self._request.method, dict(headers)):
            # One that says that it has a body has one for a backend that knows nothing of the other protocol.
            if self._request.method not in BODILESS or OF_BODIES & dict(headers).keys():
                return NextStep(refusal=BAD_REQUEST)
            return self._inspect(b"", mode=NO_REQUEST_BODY)
        return NextStep()

    def _request_body(self, body: bytes, is_whole: bool) -> NextStep:
        most, rejects = self._profile.body_bytes, self._profile.overflow == "Reject"
        if rejects and (len(body) > most or self._is_inspected):
            return NextStep(refusal=TOO_LARGE)
        if self._is_inspected:
            return NextStep()
        return self._inspect(body[:most], truncated=not rejects and (len(body) > most or not is_whole))

    def _inspect(self, body: bytes, truncated: bool = False, mode: ProcessingMode | None = None) -> NextStep:
        assert self._request is not None
        self._is_inspected = True
        found = replace(self._request, truncated=truncated)
        return NextStep(found, body, mode=mode)

    def _response_headers(self, found: HttpHeaders) -> NextStep:
        if not self._profile.response or self._request is None:
            return NextStep()
        headers, pseudo = _headers(found.headers)
        status = pseudo.get(":status", "")
        self._response = InspectedResponse(int(status) if status.isdigit() else 0, headers)
        kind = dict(headers).get("content-type", "").lower()
        if found.end_of_stream or not kind.startswith(TEXTS) or kind.startswith(EVENTS):
            mode = None if found.end_of_stream else NO_RESPONSE_BODY
            return NextStep(replace(self._request, response=self._response), mode=mode)
        return NextStep()

    def _response_body(self, body: bytes) -> NextStep:
        if self._response is None or self._request is None:
            return NextStep()
        found, self._response = replace(self._request, truncated=True, response=self._response), None
        return NextStep(found, body[: self._profile.body_bytes])


def _headers(found: HeaderMap) -> tuple[Headers, dict[str, str]]:
    """Return the headers, and apart from them those whose names begin with a colon."""
    made: list[tuple[str, str]] = []
    pseudo: dict[str, str] = {}
    for each in found.headers:
        value = each.raw_value.decode("latin-1") if each.raw_value else each.value
        if each.key.startswith(":"):
            pseudo[each.key] = value
        else:
            made.append((each.key, value))
    return tuple(made), pseudo


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    try:
        return str(ipaddress.ip_address(host.strip("[]"))), int(port)
    except ValueError:
        return UNKNOWN, 0


def _is_upgrade(method: str, headers: Mapping[str, str]) -> bool:
    """Return whether a request goes over to another protocol, as Envoy sees it: what follows it has no end."""
    tokens = {each.strip().lower() for each in headers.get("connection", "").split(",")}
    return method == "CONNECT" or ("upgrade" in tokens and bool(headers.get("upgrade")))
