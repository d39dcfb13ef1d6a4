"""Predicates of Envoy's matchers on requests and connections (``xds.type.matcher.v3.Matcher``); how to join them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_network
from typing import Any

from google.protobuf.message import Message

from headgate_proto.envoy.config.core.v3.address_pb2 import CidrRange as EnvoyCidrRange
from headgate_proto.envoy.config.rbac.v3.rbac_pb2 import RBAC, Action
from headgate_proto.envoy.extensions.matching.common_inputs.network.v3.network_inputs_pb2 import (
    DynamicMetadataInput,
    SourceIPInput,
)
from headgate_proto.envoy.extensions.matching.input_matchers.ip.v3.ip_pb2 import Ip
from headgate_proto.envoy.extensions.matching.input_matchers.metadata.v3.metadata_pb2 import Metadata
from headgate_proto.envoy.type.matcher.v3.http_inputs_pb2 import HttpRequestHeaderMatchInput
from headgate_proto.envoy.type.matcher.v3.value_pb2 import ValueMatcher
from headgate_proto.xds.core.v3.cidr_pb2 import CidrRange
from headgate_proto.xds.type.matcher.v3.matcher_pb2 import Matcher

Predicate = Matcher.MatcherList.Predicate


def all_of(predicates: Sequence[Predicate]) -> Predicate:
    """Return what holds if all of some predicates do; there is at least one."""
    if len(predicates) == 1:
        return predicates[0]
    made = Predicate()
    made.and_matcher.predicate.extend(predicates)
    return made


def any_of(predicates: Sequence[Predicate]) -> Predicate:
    """Return what holds if one of some predicates does; there is at least one."""
    if len(predicates) == 1:
        return predicates[0]
    made = Predicate()
    made.or_matcher.predicate.extend(predicates)
    return made


def negated(predicate: Predicate) -> Predicate:
    """Return what holds if a predicate does not, as for a header that is not there."""
    made = Predicate()
    made.not_matcher.CopyFrom(predicate)
    return made


def header(name: str, expression: str) -> Predicate:
    """Return whether all of a header matches a regular expression; several values have commas between them."""
    made = _input(HttpRequestHeaderMatchInput(header_name=name))
    regex = made.single_predicate.value_match.safe_regex
    regex.google_re2.SetInParent()
    regex.regex = expression
    return made


def response(asked: Message, value: str) -> Predicate:
    """Return whether an input of responses has a value, such as ``HttpResponseStatusCodeMatchInput``."""
    made = _input(asked)
    made.single_predicate.value_match.exact = value
    return made


def literals(texts: Iterable[str]) -> str:
    """Return a regular expression for one of some texts."""
    return f"(?:{'|'.join(map(quoted, texts))})"


def quoted(text: str) -> str:
    """Return a regular expression of RE2 for a text, whose bytes Envoy compares."""
    return "".join(each if each.isascii() and (each.isalnum() or each in "-_/ ") else _byte(each) for each in text)


def _byte(character: str) -> str:
    return re.escape(character) if character.isascii() else character


def source(cidrs: Iterable[str]) -> Predicate:
    """Return whether the address of the client is in one of some ranges."""
    matcher = Ip(stat_prefix="clients")
    for each in cidrs:
        write_range(matcher.cidr_ranges.add(), each)
    return _custom(_input(SourceIPInput()), "ip", matcher)


def cidr_range(cidr: str) -> CidrRange:
    """Return a range of addresses as an IPMatcher has it."""
    made = CidrRange()
    write_range(made, cidr)
    return made


def write_range(message: CidrRange | EnvoyCidrRange, cidr: str) -> None:
    """Write a range of addresses."""
    network = ip_network(cidr)
    message.address_prefix, message.prefix_len.value = str(network.network_address), network.prefixlen


def metadata(namespace: str, path: Iterable[str], value: ValueMatcher) -> Predicate:
    """Return whether a value of the dynamic metadata of a request matches."""
    asked = DynamicMetadataInput(filter=namespace)
    for each in path:
        asked.path.add(key=each)
    return _custom(_input(asked), "metadata", Metadata(value=value))


def decision(name: str, allow: bool) -> Matcher.OnMatch:
    """Return what has the RBAC filter let a request in, or refuse it; its name is in access logs."""
    made = Matcher.OnMatch()
    made.action.name = "action"
    action = Action(name=name, action=RBAC.ALLOW if allow else RBAC.DENY)
    made.action.typed_config.Pack(action, deterministic=True)
    return made


def _input(message: Message) -> Predicate:
    made = Predicate()
    made.single_predicate.input.name = message.DESCRIPTOR.name
    made.single_predicate.input.typed_config.Pack(message, deterministic=True)
    return made


def _custom(predicate: Predicate, name: str, matcher: Any) -> Predicate:
    predicate.single_predicate.custom_match.name = name
    predicate.single_predicate.custom_match.typed_config.Pack(matcher, deterministic=True)
    return predicate
