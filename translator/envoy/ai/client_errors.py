"""Errors of the proxy itself in the shapes that clients of models read: those of OpenAI's and of Anthropic's API.

Both read one body: OpenAI's clients the member `error`, Anthropic's this and `type`. What is JSON already stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple

from google.protobuf.message import Message

from headgate_proto.envoy.config.core.v3.base_pb2 import HeaderValueOption
from headgate_proto.envoy.extensions.http.custom_response.local_response_policy.v3.local_response_policy_pb2 import (
    LocalResponsePolicy,
)
from headgate_proto.envoy.type.matcher.v3.http_inputs_pb2 import HttpResponseHeaderMatchInput
from headgate_proto.envoy.type.matcher.v3.status_code_input_pb2 import (
    HttpResponseLocalReplyMatchInput,
    HttpResponseStatusCodeMatchInput,
)
from translator.envoy.ai.model_filters import NO_RULE
from translator.envoy.filter_entries import CustomResponse, FilterEntry, Predicate
from translator.envoy.hooks import FilterHook
from translator.envoy.predicates import all_of, negated
from translator.ir.http import RuleSetting

RANK: Final = 10
"""Behind responses that users have chosen."""
JSON: Final = "application/json"


class ClientError(NamedTuple):
    """What clients are told for a status.

    Attributes:
        status: the statuses, as a regular expression.
        type: the type of the error, as both APIs name it.
        message: the message.
        code: the code that OpenAI's API has for it.
    """

    status: str
    type: str
    message: str
    code: str


ERRORS: Final = (
    ClientError(
        "400", "invalid_request_error", "The request is not valid: its body must be a JSON object.", "invalid_request"
    ),
    ClientError("401", "authentication_error", "The request has no valid credentials.", "invalid_api_key"),
    ClientError("403", "permission_error", "The request is not allowed.", "permission_denied"),
    ClientError("404", "not_found_error", NO_RULE, "model_not_found"),
    ClientError("413", "request_too_large", "The request is too long.", "request_too_large"),
    ClientError("429", "rate_limit_error", "There are too many requests: try again later.", "rate_limit_exceeded"),
    ClientError("4[0-9][0-9]", "invalid_request_error", "The request is not valid.", "invalid_request"),
    ClientError("504", "timeout_error", "The model did not answer in time.", "timeout"),
    ClientError("5[0-9][0-9]", "api_error", "The model cannot be reached at the moment.", "server_error"),
)
"""The errors; of those whose statuses match the first counts."""


@dataclass(frozen=True, slots=True)
class ErrorsOfModels(RuleSetting, FilterHook):
    """Errors of the proxy itself are in the shapes that clients of models read."""

    protects: ClassVar[bool] = False

    @property
    def proxyless_fault(self) -> str:
        """Nothing: such clients have errors of their own."""
        return ""

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield a response for each of the errors."""
        for each in ERRORS:
            yield CustomResponse(_predicate(each), _policy(each), RANK)


def error_body(found: ClientError) -> dict[str, Any]:
    """Return the body of an error, which a format may be part of."""
    error = {"message": found.message, "type": found.type, "param": None, "code": found.code}
    return {"type": "error", "error": error}


def _predicate(found: ClientError) -> Predicate:
    local = _input(HttpResponseLocalReplyMatchInput())
    local.single_predicate.value_match.exact = "true"
    status = _input(HttpResponseStatusCodeMatchInput())
    status.single_predicate.value_match.safe_regex.google_re2.SetInParent()
    status.single_predicate.value_match.safe_regex.regex = found.status
    media_type = _input(HttpResponseHeaderMatchInput(header_name="content-type"))
    media_type.single_predicate.value_match.prefix = JSON
    return all_of((local, status, negated(media_type)))


def _input(message: Message) -> Predicate:
    made = Predicate()
    made.single_predicate.input.name = message.DESCRIPTOR.name
    made.single_predicate.input.typed_config.Pack(message, deterministic=True)
    return made


def _policy(found: ClientError) -> LocalResponsePolicy:
    made = LocalResponsePolicy()
    made.body_format.json_format.update(error_body(found))
    # The headers of the other response are gone: Envoy has none of them in the formats of the new one.
    option = made.response_headers_to_add.add(append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD)
    option.header.key, option.header.value = "content-type", JSON
    return made
