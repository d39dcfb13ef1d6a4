"""Other responses in place of those that match: the unit `responseOverride` of TrafficPolicies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from google.protobuf.message import Message

from headgate_proto.envoy.extensions.http.custom_response.local_response_policy.v3.local_response_policy_pb2 import (
    LocalResponsePolicy,
)
from headgate_proto.envoy.type.matcher.v3.http_inputs_pb2 import HttpResponseHeaderMatchInput
from headgate_proto.envoy.type.matcher.v3.status_code_input_pb2 import (
    HttpResponseLocalReplyMatchInput,
    HttpResponseStatusCodeMatchInput,
)
from headgate_proto.xds.type.matcher.v3.matcher_pb2 import Matcher
from headgate_proto.xds.type.matcher.v3.string_pb2 import StringMatcher
from translator.db import Db
from translator.envoy.filter_entries import CustomResponse, FilterEntry
from translator.envoy.hooks import FilterHook
from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.extensions.local_response import (
    EMPTY,
    OVERWRITE,
    Body,
    LocalResponse,
    config_map_body,
    direct_response,
    formatted_body,
    header_pairs,
)
from translator.ir.http import RuleSetting
from translator.languages.formats import literal
from translator.languages.regex import check_regex
from translator.objects.headgate.directresponse import DirectResponse
from translator.objects.headgate.matches import HeaderMatch
from translator.objects.headgate.overrides import (
    DirectResponseReference,
    OverrideRedirect,
    OverrideResponse,
    ResponseMatch,
    ResponseOverride,
)
from translator.objects.headgate.responses import BODILESS
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome, Problem, gather, not_resolved
from translator.refs import Ref

Predicate = Matcher.MatcherList.Predicate

REDIRECT: Final = 302
PATH: Final = "%REQ(:PATH)%"
SCHEME: Final = "%REQ(:SCHEME)%"
_BODILESS: Final = "|".join(map(str, BODILESS))


@dataclass(frozen=True, slots=True)
class Override:
    """A response in place of those that match.

    Attributes:
        match: which ones.
        response: the response.
        location: for a redirect, the format of where to.
    """

    match: ResponseMatch
    response: LocalResponse
    location: str = ""


@dataclass(frozen=True, slots=True)
class Overrides(RuleSetting, FilterHook):
    """Responses in place of those that match, of which the first that matches counts."""

    overrides: tuple[Override, ...]

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield a matcher with its ``LocalResponsePolicy`` for each."""
        for each in self.overrides:
            yield CustomResponse(_predicate(each), _policy(each))


def _policy(found: Override) -> LocalResponsePolicy:
    response, made = found.response, LocalResponsePolicy()
    if response.status:
        made.status_code.value = response.status
    response.body.write(made)
    made.response_headers_to_add.extend(response.headers())
    if found.location:
        option = made.response_headers_to_add.add(append_action=OVERWRITE)
        option.header.key, option.header.value = "location", found.location
    return made


def _predicate(found: Override) -> Predicate:
    match = found.match
    parts = []
    if match.status_codes:
        parts.append(_status("|".join(expression(*each.bounds) for each in match.status_codes)))
    if found.response.may_have_status_without_body:
        parts.append(_negated(_status(_BODILESS)))
    parts += [_header(each) for each in match.response_headers or ()]
    if match.source in ("Local", "Backend"):
        local = _input("source", HttpResponseLocalReplyMatchInput())
        local.single_predicate.value_match.exact = "true" if match.source == "Local" else "false"
        parts.append(local)
    if len(parts) == 1:
        return parts[0]
    made = Predicate()
    made.and_matcher.predicate.extend(parts)
    return made


def expression(start: int, end: int) -> str:
    """Return a regular expression for the statuses of a range."""
    if start == end:
        return str(start)
    found, at = [], start
    while at <= end:
        size = next(each for each in (100, 10, 1) if at % each == 0 and at + each - 1 <= end)
        found.append(str(at // size) + "[0-9]" * (len(str(size)) - 1))
        at += size
    return "|".join(found)


def _input(name: str, message: Message) -> Predicate:
    made = Predicate()
    made.single_predicate.input.name = name
    made.single_predicate.input.typed_config.Pack(message, deterministic=True)
    return made


def _status(expression: str) -> Predicate:
    made = _input("status", HttpResponseStatusCodeMatchInput())
    _write_regex(made.single_predicate.value_match, expression)
    return made


def _write_regex(matcher: StringMatcher, expression: str) -> None:
    matcher.safe_regex.google_re2.SetInParent()
    matcher.safe_regex.regex = expression


def _header(found: HeaderMatch) -> Predicate:
    made = _input("header", HttpResponseHeaderMatchInput(header_name=found.name.lower()))
    matcher = made.single_predicate.value_match
    member, value = found.member
    if member == "regex":
        _write_regex(matcher, value)
    else:
        setattr(matcher, member, value)
        matcher.ignore_case = bool(found.ignore_case)
    return _negated(made) if found.invert else made


def _negated(predicate: Predicate) -> Predicate:
    made = Predicate()
    made.not_matcher.CopyFrom(predicate)
    return made


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective overrides: all of them or none, as an author has written them to go together."""
    namespace = context.origin("").namespace
    overrides = gather(
        _override(context.db, namespace, each, f"{context.field}[{place}]")
        for place, each in enumerate(context.effective.value)
    )
    made = tuple(each for each in overrides.value if each is not None)
    if len(made) < len(overrides.value):
        return Outcome(None, overrides.problems)
    return Outcome((Overrides(made),) if made else ())


def _override(db: Db, namespace: str, found: ResponseOverride, field: str) -> Outcome[Override | None]:
    for place, each in enumerate(found.match.response_headers or ()):
        if each.regex is not None and (fault := check_regex(each.regex)):
            text = f"{field}.match.responseHeaders[{place}].regex: {fault}."
            return Outcome(None, (Problem("Accepted", "Invalid", text),))
    if found.redirect is not None:
        return Outcome(_redirect(found.match, found.redirect))
    read: Outcome[LocalResponse | None]
    if found.response_ref is not None:
        read = _reference(db, namespace, found.response_ref, f"{field}.responseRef")
    else:
        assert found.response is not None
        read = _response(db, namespace, found.response, f"{field}.response")
    return Outcome(Override(found.match, read.value) if read.value is not None else None, read.problems)


def _redirect(match: ResponseMatch, found: OverrideRedirect) -> Override:
    start = ""
    if found.hostname is not None:
        start = f"{found.scheme or SCHEME}://{found.hostname}{f':{found.port}' if found.port is not None else ''}"
    path = PATH if found.path is None else literal(found.path)
    return Override(match, LocalResponse(found.status_code or REDIRECT), f"{start}{path}")


def _response(db: Db, namespace: str, found: OverrideResponse, field: str) -> Outcome[LocalResponse | None]:
    body: Outcome[Body | None] = Outcome(EMPTY)
    if found.body_format is not None:
        body = formatted_body(found.body_format, f"{field}.bodyFormat")
    elif found.body is not None and found.body.config_map_ref is not None:
        body = config_map_body(db, namespace, found.body.config_map_ref, f"{field}.body.configMapRef")
    elif found.body is not None:
        body = Outcome(Body(found.body.inline or ""))
    if body.value is None:
        return Outcome(None, body.problems)
    made = replace(body.value, content_type=found.content_type or body.value.content_type)
    headers = found.headers
    pairs = (header_pairs(headers.set), header_pairs(headers.add)) if headers is not None else ((), ())
    return Outcome(LocalResponse(found.status_code or 0, made, *pairs))


def _reference(db: Db, namespace: str, found: DirectResponseReference, field: str) -> Outcome[LocalResponse | None]:
    ref = Ref(DirectResponse.kind, namespace, found.name)
    response = db.get(DirectResponse, ref)
    if response is None:
        return not_resolved("DirectResponseNotFound", f"{field}: {ref} does not exist; create it or correct the name.")
    return direct_response(db, ref, response.spec, field)


EXTENSION = Extension(
    "response overrides", units=(PolicyUnit(TrafficPolicy, "response_override", read, Overrides, inherit=TABLE),)
)
