"""The service that proxies ask: Envoy's ``envoy.service.ext_proc.v3.ExternalProcessor``.

A request is inspected once, when all of it is there that is to be inspected. What cannot be inspected ends the stream
with an error: the proxy then does what the policy says, `failOpen` or not. What takes too long is refused in any case,
since a client can see to that.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, NoReturn

import grpc
import grpc.aio
import structlog

from headgate.waf.audit import Audit
from headgate.waf.exchange import InspectedExchange, NextStep
from headgate.waf.metrics import WafMetrics
from headgate.waf.pool import Overloaded, Pool, PoolError, TooSlow
from headgate_proto.envoy.extensions.filters.http.ext_proc.v3.processing_mode_pb2 import ProcessingMode
from headgate_proto.envoy.service.ext_proc.v3.external_processor_pb2 import (
    ImmediateResponse,
    ProcessingRequest,
    ProcessingResponse,
)
from translator.waf_profile import METADATA, Profile, ProfileError

log = structlog.stdlib.get_logger("headgate")

SERVICE: Final = "envoy.service.ext_proc.v3.ExternalProcessor"
FORBIDDEN: Final = 403
DETAILS: Final = "waf"
"""What access logs say of a refused request, as `%RESPONSE_CODE_DETAILS%`."""
TEXTS: Final = {400: b"Bad request\n", 403: b"Forbidden\n", 413: b"Payload too large\n"}

_PARTS: Final = {
    "request_headers": ProcessingResponse(),
    "request_body": ProcessingResponse(),
    "request_trailers": ProcessingResponse(),
    "response_headers": ProcessingResponse(),
    "response_body": ProcessingResponse(),
    "response_trailers": ProcessingResponse(),
}
for _name, _made in _PARTS.items():
    getattr(_made, _name).SetInParent()

Context = grpc.aio.ServicerContext[ProcessingRequest, ProcessingResponse]


class WafProcessor:
    """Answers what proxies ask about requests."""

    def __init__(self, pool: Pool, audit: Audit, metrics: WafMetrics) -> None:
        self._pool = pool
        self._audit = audit
        self._metrics = metrics
        self._logged: str | None = None

    def handlers(self) -> grpc.GenericRpcHandler:
        """Return the handlers of its methods."""
        process = grpc.stream_stream_rpc_method_handler(
            self.process,
            request_deserializer=ProcessingRequest.FromString,
            response_serializer=ProcessingResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"Process": process})

    async def process(
        self, messages: AsyncIterator[ProcessingRequest], context: Context
    ) -> AsyncIterator[ProcessingResponse]:
        """Serve the stream of one request."""
        text = next((value for key, value in context.invocation_metadata() or () if key == METADATA), None)
        try:
            if not isinstance(text, str):
                raise ProfileError(f"there is none in {METADATA}")
            exchange = InspectedExchange(text, Profile.parse(text))
        except ProfileError as error:
            await self._fail(context, grpc.StatusCode.INVALID_ARGUMENT, f"the profile cannot be used: {error}")
        async for message in messages:
            part = message.WhichOneof("request")
            if part is None:
                await self._fail(context, grpc.StatusCode.INVALID_ARGUMENT, "a message has no part of a request")
            step = exchange.take(part, message)
            status = await self._status(step, exchange.route, context)
            yield _refusal(status) if status else _continued(part, step.mode)

    async def _status(self, step: NextStep, route: str, context: Context) -> int:
        """Return the status with which a request is refused; 0 if it goes on."""
        if step.refusal:
            self._metrics.refused_unseen(step.refusal)
            return step.refusal
        if step.inspection is None:
            return 0
        try:
            verdict = await self._pool.inspect(step.inspection, step.body, _owner(route))
        except TooSlow:
            self._metrics.failed("too_slow")
            return FORBIDDEN
        except PoolError as error:
            reason = "overloaded" if isinstance(error, Overloaded) else "crashed"
            self._metrics.failed(reason)
            await context.abort(grpc.StatusCode.UNAVAILABLE, reason)
        if verdict.error:
            await self._fail(context, grpc.StatusCode.FAILED_PRECONDITION, verdict.error)
        self._metrics.inspected(verdict)
        self._audit.report(step.inspection, verdict, route)
        return verdict.status

    async def _fail(self, context: Context, code: grpc.StatusCode, text: str) -> NoReturn:
        self._metrics.failed("profile")
        if text != self._logged:
            # The same with each request of a route.
            self._logged = text
            log.error("Requests cannot be inspected", reason=text)
        await context.abort(code, text.encode("ascii", "replace").decode()[:500])


def _owner(route: str) -> str:
    """Return the object that has a route, such as "HTTPRoute/shop/items", by the name of the route."""
    return "/".join(route.split("/")[:3])


def _refusal(status: int) -> ProcessingResponse:
    made = ImmediateResponse(body=TEXTS.get(status, b"Refused\n"), details=DETAILS)
    made.status.code = status  # type: ignore[assignment]  # the stubs take the number for an enum
    header = made.headers.set_headers.add().header
    header.key, header.raw_value = "content-type", b"text/plain"
    return ProcessingResponse(immediate_response=made)


def _continued(part: str, mode: ProcessingMode | None) -> ProcessingResponse:
    found = _PARTS[part]
    if mode is None:
        return found
    made = ProcessingResponse()
    made.CopyFrom(found)
    made.mode_override.CopyFrom(mode)
    return made
