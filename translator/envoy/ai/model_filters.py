"""The filters that read the model which a request asks for, and have its route picked again.

They are in a slot of the routes that read it (`translator.envoy.http_filters.AI`), beside those of policies: the first
route of a request runs them, and the route that is picked then need not have them. Routes are picked by a filter state
that no client can write, so that a header of its own decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from google.protobuf.message import Message

from headgate_proto.envoy.config.core.v3.base_pb2 import HeaderValueOption
from headgate_proto.envoy.config.route.v3 import route_components_pb2
from headgate_proto.envoy.extensions.filters.http.ai_protocol_manager.v3.ai_protocol_manager_pb2 import (
    AiProtocolManager,
    AiProtocolManagerPerRoute,
    RequestHandling,
)
from headgate_proto.envoy.extensions.filters.http.header_mutation.v3.header_mutation_pb2 import HeaderMutation
from headgate_proto.envoy.extensions.filters.http.set_filter_state.v3.set_filter_state_pb2 import (
    Config as SetFilterState,
)
from headgate_proto.envoy.extensions.filters.http.set_metadata.v3.set_metadata_pb2 import Config as SetMetadata
from headgate_proto.envoy.extensions.http.ai_filters.request_info.v3.request_info_pb2 import RequestInfo
from translator.api_group import GROUP
from translator.envoy.filter_entries import FilterEntry, SlotFilter
from translator.envoy.http_filters import AI
from translator.ir.http import ModelKind, ModelMatch

MODEL_HEADER: Final = "x-gateway-model-name"
"""The header that tells backends the model; the Inference Extension's router writes it too."""
MODEL_STATE: Final = "envoy.ai.model.request"
"""The filter state in which Envoy has the model of a request."""
NO_RULE: Final = f"There is no rule for the model '%FILTER_STATE({MODEL_STATE}:PLAIN)%' here."
"""What clients are told of a model that no rule is for, as a format."""
KEPT_TYPE: Final = "x-headgate-content-type"
HIDDEN_TYPE: Final = "application/octet-stream"
READ_KEY: Final = "model"
READ: Final = "read"
"""The key and its value in the dynamic metadata of requests whose model was read."""

GUARD_WEIGHT: Final = 900
"""The weights in the slot: what changes or refuses bodies is before what reads them."""
INFO_WEIGHT: Final = 800
HEADER_WEIGHT: Final = 700
READ_WEIGHT: Final = 690
PICK_WEIGHT: Final = 600
MODELS_WEIGHT: Final = 500
"""What lets in requests by their models."""

INFO: Final = "headgate.ai.model"
ANSWER: Final = "headgate.ai.answer"
HIDE: Final = "headgate.ai.unread"
HEADER: Final = "headgate.ai.header"
MARK_READ: Final = "headgate.ai.read"
PICK: Final = "headgate.ai.pick"


def reading_filters() -> Iterator[FilterEntry]:
    """Yield the filters, each with its place in the slot; nobody changes their messages."""
    yield from telling_filters()
    yield SlotFilter(AI, MARK_READ, _mark(), READ_WEIGHT)
    yield SlotFilter(AI, PICK, SetFilterState(clear_route_cache=True), PICK_WEIGHT)


def telling_filters() -> Iterator[SlotFilter]:
    """Yield the filters that read the model and tell it in its header, and leave the route as it is."""
    yield from info_filters()
    yield header_filter()


def info_filters() -> Iterator[SlotFilter]:
    """Yield those of them that read the model and tell it to others; answers pass them byte for byte."""
    declared = AiProtocolManagerPerRoute()
    declared.request.SetInParent()  # without it Envoy reads the body and tells nobody
    # Answers come the other way: their type is hidden from what reads the model, and then told again.
    yield SlotFilter(AI, ANSWER, _answer(), INFO_WEIGHT + 1)
    yield SlotFilter(AI, INFO, _info(), INFO_WEIGHT, declared)
    yield SlotFilter(AI, HIDE, _unread(), INFO_WEIGHT - 1)


def header_filter() -> SlotFilter:
    """Return the filter that has the header tell the model that was read, or nothing."""
    return SlotFilter(AI, HEADER, _header(), HEADER_WEIGHT)


@cache
def _info() -> Message:
    # The body is passed on byte for byte.
    handling = RequestHandling(reserialize_body=RequestHandling.DISABLE)
    made = AiProtocolManager(request_handling=handling)
    made.filters.add(name="request_info").typed_config.Pack(RequestInfo(), deterministic=True)
    return made


@cache
def _unread() -> Message:
    """Make what hides the type of an answer.

    Envoy's filter takes the answer of a request that it has read for one to be translated: it writes JSON anew, and
    cuts what its parser does not take, such as half of a pair of surrogates. Of other types it leaves answers alone.
    """
    made = HeaderMutation()
    _respond(made, KEPT_TYPE, "%RESP(content-type)%", HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD)
    _respond(made, "content-type", HIDDEN_TYPE, HeaderValueOption.OVERWRITE_IF_EXISTS)
    return made


@cache
def _answer() -> Message:
    made = HeaderMutation()
    _respond(made, "content-type", f"%RESP({KEPT_TYPE})%", HeaderValueOption.OVERWRITE_IF_EXISTS)
    made.mutations.response_mutations.add().remove = KEPT_TYPE
    return made


def _respond(made: HeaderMutation, name: str, value: str, action: HeaderValueOption.HeaderAppendAction) -> None:
    added = made.mutations.response_mutations.add().append
    added.header.key, added.header.value, added.append_action = name, value, action


@cache
def _header() -> Message:
    made = HeaderMutation()
    made.mutations.request_mutations.add().remove = MODEL_HEADER
    added = made.mutations.request_mutations.add().append
    added.header.key = MODEL_HEADER
    added.header.value = f"%FILTER_STATE({MODEL_STATE}:PLAIN)%"
    added.append_action = HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
    return made


@cache
def _mark() -> Message:
    made = SetMetadata()
    made.metadata.add(metadata_namespace=GROUP, allow_overwrite=True).value[READ_KEY] = READ
    return made


def match_model(match: route_components_pb2.RouteMatch, model: ModelMatch) -> None:
    """Write what a match asks of the model."""
    if model.kind in (ModelKind.PENDING, ModelKind.READ):
        read = match.dynamic_metadata.add(filter=GROUP, invert=model.kind is ModelKind.PENDING)
        read.path.add().key = READ_KEY
        read.value.string_match.exact = READ
        return
    if model.kind is ModelKind.OTHER:
        return
    text = match.filter_state.add(key=MODEL_STATE).string_match
    if model.kind is ModelKind.EXACT:
        text.exact = model.value
    elif model.kind is ModelKind.PREFIX:
        text.prefix = model.value
    else:
        text.safe_regex.regex = model.value
