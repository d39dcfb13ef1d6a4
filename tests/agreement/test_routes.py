"""Whatever users write into a route, Envoy takes what is made of it, and is spared what it would refuse."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st

from headgate_proto.envoy.config.core.v3 import base_pb2
from headgate_proto.envoy.config.route.v3 import route_components_pb2, route_pb2
from tests.agreement.oracle import NAME, Oracle
from tests.live.objects import GATEWAY, Manifest, gateway, manifests, route, rule, service
from translator.inputs import Edit, Settings
from translator.refs import Ref
from translator.registry import KINDS
from translator.translator import Translator
from xds.resources.types import ROUTE

CHARACTERS = st.characters(exclude_categories=["Cs"]) | st.sampled_from(["\0", "\r", "\n", "\t", "\x7f", " ", "%", "é"])
TEXTS = st.text(CHARACTERS, min_size=1, max_size=40)
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What a value must not hold (RFC 9110, section 5.5), though Envoy takes most of it."""

WORDS = st.text("abcXY019!#$%&'*+-.^_`|~", min_size=1, max_size=12)
NAMES = WORDS | st.sampled_from(["Host", "content-length", "Transfer-Encoding", "te", "x-forwarded-for", ":path"])
PIECES = [
    "a",
    "b",
    ".",
    "*",
    "+",
    "?",
    "{2}",
    "{1000}",
    "{1001}",
    "(",
    ")",
    "[",
    "]",
    "[^a-z]",
    "|",
    "^",
    "$",
    "\\d",
    "\\",
]
PIECES += [
    "\\b",
    "\\p{L}",
    "\\pN",
    "\\Q",
    "\\E",
    "(?i)",
    "(?P<n>",
    "(?=",
    "(?:",
    "\\1",
    "\\C",
    "\\x{10ffff}",
    "é",
    "\0",
    "-",
]
EXPRESSIONS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join) | TEXTS


def configured(
    *given_rules: Manifest, kind: str = "HTTPRoute"
) -> tuple[route_pb2.RouteConfiguration, list[bool]] | None:
    """Return what is sent of a route `NAME` with these rules, and which are served; None if it is invalid."""
    listener = {"name": "http", "protocol": "HTTP", "port": 80}
    objects = [gateway(listener), service("alpha"), {**route(*given_rules), "kind": kind}]
    found = [KINDS.parse(each).object for each in manifests([objects])]
    if None in found:
        return None
    translator = Translator(Settings())
    translator.edit([Edit(each.ref, each) for each in found if each is not None])
    changes = translator.evaluate()
    assert not changes.failures, changes.failures
    (table,) = translator.snapshots[Ref("Gateway", "default", GATEWAY)].resources(ROUTE).values()
    configuration = route_pb2.RouteConfiguration.FromString(table.body)
    configuration.name = NAME
    served = [not each.HasField("direct_response") for each in configuration.virtual_hosts[0].routes]
    return configuration, served


def raw(entry: route_components_pb2.Route) -> route_pb2.RouteConfiguration:
    """Return a table of one route, as it is."""
    configuration = route_pb2.RouteConfiguration(name=NAME)
    configuration.virtual_hosts.add(name="all", domains=["*"]).routes.append(entry)
    return configuration


def answering() -> route_components_pb2.Route:
    """Return a route that answers, and takes everything."""
    made = route_components_pb2.Route()
    made.match.prefix = "/"
    made.direct_response.status = 200
    return made


@example(name="X", value="two  blanks")
@example(name="X", value="%REQ(")
@given(name=NAMES, value=TEXTS)
def test_headers(oracle: Oracle, name: str, value: str) -> None:
    """Headers are changed where Envoy can do so and HTTP allows it; elsewhere, and only there, their rule is broken."""
    change = {"set": [{"name": name, "value": value}], "add": [{"name": "X-Other", "value": value}]}
    request = {"type": "RequestHeaderModifier", "requestHeaderModifier": change}
    response = {"type": "ResponseHeaderModifier", "responseHeaderModifier": change}
    found = configured(rule("alpha", filters=[request, response]), rule("alpha"))
    if found is None:
        assert re.search(r"[^A-Za-z0-9!#$%&'*+.^_`|~-]", name)
        return
    configuration, (served, other) = found
    assert not oracle.refusal(configuration)
    assert other
    entry = answering()
    literal = base_pb2.HeaderValue(key=name, value=value.replace("%", "%%"))
    entry.response_headers_to_add.add(header=literal)
    refused = bool(oracle.refusal(raw(entry)))
    forbidden = name.lower() in ("host", "content-length", "transfer-encoding", "te") or CONTROL.search(value)
    assert served is not (refused or bool(forbidden))


@example(value="")
@example(value="[a-z]{1000}")
@given(value=EXPRESSIONS)
def test_regular_expressions(oracle: Oracle, value: str) -> None:
    """A match by a regular expression is left out exactly where Envoy refuses the expression, wherever it stands."""
    assume(value)
    kind = "RegularExpression"
    found = configured(
        rule("alpha", matches=[{"path": {"type": kind, "value": value}}]),
        rule("alpha", matches=[{"headers": [{"type": kind, "name": "X", "value": value}]}]),
        rule("alpha", matches=[{"queryParams": [{"type": kind, "name": "x", "value": value}]}]),
        rule("alpha"),
    )
    assert found is not None
    configuration, served = found
    assert not oracle.refusal(configuration)
    entry = answering()
    entry.match.safe_regex.regex = value
    assert len(served) == (1 if oracle.refusal(raw(entry)) else 4)


@example(service=r"\Qa", method="b")
@example(service="a)|(?:b", method="")
@example(service=r"(?:a\Q", method=r"\E)b")
@example(service="[a-z]{1000}" * 17, method="[a-z]{1000}" * 17)
@given(service=EXPRESSIONS | st.just(""), method=EXPRESSIONS | st.just(""))
def test_expressions_of_grpc(oracle: Oracle, service: str, method: str) -> None:
    """Envoy takes what is made of expressions for a service and a method; one that is none by itself is left out."""
    kind = "RegularExpression"
    called = {"type": kind, "service": service, "method": method}
    found = configured(rule("alpha", matches=[{"method": called}]), rule("alpha"), kind="GRPCRoute")
    assert found is not None
    configuration, served = found
    assert not oracle.refusal(configuration)
    for value in filter(None, (service, method)):
        entry = answering()
        entry.match.safe_regex.regex = value
        if oracle.refusal(raw(entry)):
            assert len(served) == 1


@given(text=TEXTS)
def test_plain_matches(oracle: Oracle, text: str) -> None:
    """Envoy takes each match that is no regular expression and that the definition of routes lets in."""
    for match in (
        {"path": {"type": "Exact", "value": f"/{text}"}},
        {"path": {"type": "PathPrefix", "value": f"/{text}"}},
        {"headers": [{"name": "X", "value": text}]},
        {"queryParams": [{"name": "x", "value": text}]},
    ):
        found = configured(rule("alpha", matches=[match]))
        if found is not None:
            assert not oracle.refusal(found[0])
            assert found[1] == [True]


@given(text=TEXTS.map("/".__add__) | TEXTS | st.just(""))
def test_paths_to_send(oracle: Oracle, text: str) -> None:
    """Envoy takes every path that is to be sent to backends and clients, since what it cannot hold is escaped."""
    for kind, field in (("ReplaceFullPath", "replaceFullPath"), ("ReplacePrefixMatch", "replacePrefixMatch")):
        path: dict[str, Any] = {"path": {"type": kind, field: text}}
        rewritten = rule("alpha", filters=[{"type": "URLRewrite", "urlRewrite": path}])
        redirected = rule(filters=[{"type": "RequestRedirect", "requestRedirect": path}])
        found = configured(rewritten, redirected)
        assert found is not None
        assert not oracle.refusal(found[0])
        assert found[1] == [True, True]
        action = found[0].virtual_hosts[0].routes[0].route
        written = action.prefix_rewrite or action.regex_rewrite.substitution
        assert re.fullmatch(r"/(?:[A-Za-z0-9/._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*", written)


DURATIONS = st.lists(
    st.tuples(st.integers(0, 99_999) | st.sampled_from([0, 1]), st.sampled_from(["h", "m", "s", "ms"])),
    min_size=1,
    max_size=4,
).map(lambda parts: "".join(f"{number}{unit}" for number, unit in parts))


@example(request="99999h99999h99999h99999h", each="99999h99999h99999h99999h", backoff="99999h99999h99999h99999h")
@example(request="0s", each="0s", backoff="0s")
@given(request=DURATIONS, each=DURATIONS, backoff=DURATIONS)
def test_durations(oracle: Oracle, request: str, each: str, backoff: str) -> None:
    """Envoy takes every duration that the definition of routes lets in, however long or short, in each field."""
    found = [
        configured(rule("alpha", timeouts={"request": request})),
        configured(rule("alpha", timeouts={"backendRequest": each})),
        configured(rule("alpha", timeouts={"backendRequest": each}, retry={"attempts": 2, "backoff": backoff})),
        configured(rule("alpha", timeouts={"request": request, "backendRequest": each}, retry={"backoff": backoff})),
    ]
    assert all(found[:3])
    for configuration, served in filter(None, found):
        assert not oracle.refusal(configuration)
        assert all(served)
