"""Selectors of clients as the entries of descriptors, by which Envoy's rate limits tell requests apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_network
from typing import Final, NamedTuple

from google.protobuf.message import Message

from headgate_proto.cel.expr.syntax_pb2 import ParsedExpr
from headgate_proto.envoy.config.route.v3.route_components_pb2 import QueryParameterMatcher, RateLimit
from headgate_proto.envoy.extensions.filters.http.header_to_metadata.v3.header_to_metadata_pb2 import (
    Config as HeaderToMetadata,
)
from headgate_proto.envoy.extensions.rate_limit_descriptors.expr.v3.expr_pb2 import Descriptor
from headgate_proto.xds.core.v3.cidr_pb2 import CidrRange
from translator.envoy import cel
from translator.extensions.matchers import match_problems, write_string_match
from translator.languages import cel as language
from translator.languages.regex import check_regex
from translator.objects.gateway_api.matches import HTTPMethod
from translator.objects.headgate.clientselectors import (
    ClaimSelector,
    ClientSelector,
    HeaderSelector,
    QuerySelector,
    SourceSelector,
)
from translator.objects.headgate.types import StringMatch
from translator.outcome import Problem

Action = RateLimit.Action

YES: Final = "true"
"""The value of an entry of a condition that holds."""
ONE_ADDRESS: Final = (32, 128)
JWT: Final = "envoy.filters.http.jwt_authn"
"""The namespace of the metadata with the claims of tokens."""
PAYLOAD: Final = "payload"
"""The key there of the claims of the one provider of a GatewayExtension."""


class SelectorEntry(NamedTuple):
    """An entry of the descriptor of a rule.

    Attributes:
        action: gives the entry; a request for which it gives none has no such descriptor.
        key: its key, which no other entry of the rule has, but for those of addresses.
        value: its value where the request is selected; None where each value has a limit of its own.
    """

    action: Action
    key: str
    value: str | None = YES


def selector_entries(selectors: Iterable[ClientSelector], saved: bool = False) -> Iterator[SelectorEntry]:
    """Yield the entries of the requests that meet all selectors.

    Args:
        selectors: the selectors.
        saved: whether headers and the path are what `saving_filter` has saved of them, and not those of the moment.
    """
    path = _SAVED_PATH if saved else "request.url_path"
    for place, each in enumerate(selectors):
        for number, header in enumerate(each.headers or ()):
            yield (_saved_header if saved else _header)(header, f"{place}.header.{number}")
        if each.methods is not None:
            yield _methods(each.methods, f"{place}.method")
        if each.path is not None:
            yield _expression(_compared(path, each.path), f"{place}.path")
        for number, query in enumerate(each.query_params or ()):
            yield _query(query, f"{place}.query.{number}")
        if each.source_cidr is not None:
            yield from _source(each.source_cidr, f"{place}.source")
        for number, claim in enumerate(each.claims or ()):
            yield _claim(claim, f"{place}.claim.{number}")


def selector_problems(selectors: Iterable[ClientSelector], field: str) -> Iterator[Problem]:
    """Yield what is wrong with the regular expressions in the list of selectors `field`."""
    for place, each in enumerate(selectors):
        path = f"{field}[{place}]"
        for name, found in (("headers", each.headers), ("queryParams", each.query_params), ("claims", each.claims)):
            yield from match_problems(found or (), f"{path}.{name}")
        if each.path is not None and each.path.regex is not None and (fault := check_regex(each.path.regex)):
            yield Problem("Accepted", "Invalid", f"{path}.path.regex: {fault}.")


def _header(found: HeaderSelector, key: str) -> SelectorEntry:
    action = Action()
    name = found.name.lower()
    if found.is_distinct:
        action.request_headers.header_name = name
        action.request_headers.descriptor_key = key
        return SelectorEntry(action, key, None)
    match = action.header_value_match
    match.descriptor_key, match.descriptor_value = key, YES
    match.expect_match.value = not found.invert
    write_string_match(match.headers.add(name=name).string_match, found)
    return SelectorEntry(action, key)


SAVED: Final = "headgate.limits"
"""The namespace of the metadata with what is saved of a request."""
_SAVED: Final = f"metadata.filter_metadata[{cel.text(SAVED)}]"
_SAVED_PATH: Final = f"re.extract({_SAVED}[':path'], '^([^?]*).*$', '\\\\1')"


def saving_filter(selectors: Iterable[ClientSelector]) -> HeaderToMetadata:
    """Return the filter that saves the headers and the path of a request.

    At the end of a request they may be others: what goes to a backend has not all headers, and maybe another path.
    """
    headers = {header.name.lower() for each in selectors for header in each.headers or ()}
    made = HeaderToMetadata()
    for name in (":path", *sorted(headers)):
        rule = made.request_rules.add(header=name)
        rule.on_header_present.metadata_namespace, rule.on_header_present.key = SAVED, name
    return made


def _saved_header(found: HeaderSelector, key: str) -> SelectorEntry:
    name = found.name.lower()
    if found.is_distinct:
        action = Action()
        action.metadata.descriptor_key = key
        action.metadata.source = Action.MetaData.DYNAMIC
        action.metadata.metadata_key.key = SAVED
        action.metadata.metadata_key.path.add().key = name
        return SelectorEntry(action, key, None)
    literal = cel.text(name)
    condition = f"({literal} in {_SAVED} && {_compared(f'{_SAVED}[{literal}]', found)})"
    return _expression(f"!{condition}" if found.invert else condition, key)


def _methods(found: Iterable[HTTPMethod], key: str) -> SelectorEntry:
    action = Action()
    match = action.header_value_match
    match.descriptor_key, match.descriptor_value = key, YES
    match.headers.add(name=":method").string_match.safe_regex.regex = "|".join(found)
    return SelectorEntry(action, key)


def _query(found: QuerySelector, key: str) -> SelectorEntry:
    action = Action()
    if found.is_distinct:
        action.query_parameters.query_parameter_name = found.name
        action.query_parameters.descriptor_key = key
        return SelectorEntry(action, key, None)
    match = action.query_parameter_value_match
    match.descriptor_key, match.descriptor_value = key, YES
    match.expect_match.value = not found.invert
    parameter = QueryParameterMatcher(name=found.name)
    write_string_match(parameter.string_match, found)
    match.query_parameters.append(parameter)
    return SelectorEntry(action, key)


def _source(found: SourceSelector, key: str) -> Iterator[SelectorEntry]:
    if found.value is not None:
        network = ip_network(found.value, strict=False)
        action = Action()
        match = action.remote_address_match
        match.descriptor_key, match.descriptor_value = key, YES
        match.address_matcher.invert_match = bool(found.invert)
        within = CidrRange(address_prefix=str(network.network_address))
        within.prefix_len.value = network.prefixlen
        match.address_matcher.ranges.append(within)
        yield SelectorEntry(action, key)
    if found.is_distinct:
        action = Action()
        masked = action.masked_remote_address
        masked.v4_prefix_mask_len.value, masked.v6_prefix_mask_len.value = ONE_ADDRESS
        yield SelectorEntry(action, "masked_remote_address", None)


def _claim(found: ClaimSelector, key: str) -> SelectorEntry:
    path = (found.provider or PAYLOAD, *found.name.split("."))
    if not found.is_distinct:
        members = "".join(f"[{cel.text(each)}]" for each in path)
        condition = _compared(f"metadata.filter_metadata[{cel.text(JWT)}]{members}", found)
        return _expression(condition, key)
    return SelectorEntry(claim_action(path, key), key, None)


def claim_action(path: Iterable[str], key: str) -> Action:
    """Return what gives an entry the value of a claim, whose path begins with the provider; none if it has no text."""
    action = Action()
    action.metadata.descriptor_key = key
    action.metadata.source = Action.MetaData.DYNAMIC
    action.metadata.metadata_key.key = JWT
    for each in path:
        action.metadata.metadata_key.path.add().key = each
    action.metadata.skip_if_absent = False
    return action


def _compared(value: str, found: StringMatch) -> str:
    """Write the condition that a value is as a match says."""
    member, text = found.member
    literal = cel.text(text)
    if member == "regex":
        return f"{value}.matches({cel.text(f'^(?:{text})$')})"
    if found.ignore_case:
        begin, end = ("^" if member in ("exact", "prefix") else ""), ("$" if member in ("exact", "suffix") else "")
        return f"{value}.matches({cel.text(f'(?i){begin}{_quoted(text)}{end}')})"
    if member == "exact":
        return f"{value} == {literal}"
    return f"{value}.{_METHODS[member]}({literal})"


_METHODS: Final = {"prefix": "startsWith", "suffix": "endsWith", "contains": "contains"}


def _quoted(text: str) -> str:
    return "".join(f"\\x{{{ord(each):x}}}" if not each.isalnum() else each for each in text)


def _expression(condition: str, key: str) -> SelectorEntry:
    """Return the entry of a condition in CEL, which a request has that meets it.

    Where it is not met there is no such member of the map, and an expression without a value makes no descriptor.
    """
    return SelectorEntry(expression_action(f"{{true: {cel.text(YES)}}}[{condition}]", key), key)


def expression_action(expression: str, key: str) -> Action:
    """Return what gives an entry the value of an expression in CEL; a request for which that is an error has none."""
    made = Descriptor(descriptor_key=key, skip_if_error=False)
    parsed = ParsedExpr.FromString(language.parse(expression))
    # The same message by an older name.
    made.parsed.ParseFromString(parsed.expr.SerializeToString(deterministic=True))
    action = Action()
    _extend(action, "envoy.rate_limit_descriptors.expr", made)
    return action


def _extend(action: Action, name: str, config: Message) -> None:
    action.extension.name = name
    action.extension.typed_config.Pack(config, deterministic=True)
