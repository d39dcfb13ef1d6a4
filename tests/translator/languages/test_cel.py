"""CEL: what we refuse, Envoy refuses or could never evaluate; what we take, Envoy takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate_proto.cel.expr.syntax_pb2 import ParsedExpr
from headgate_proto.envoy.extensions.filters.http.custom_response.v3.custom_response_pb2 import CustomResponse
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from headgate_proto.envoy.extensions.http.custom_response.local_response_policy.v3.local_response_policy_pb2 import (
    LocalResponsePolicy,
)
from headgate_proto.xds.type.matcher.v3.cel_pb2 import CelMatcher
from headgate_proto.xds.type.matcher.v3.matcher_pb2 import Matcher
from tests.translator.languages.envoy import manager, refused, with_format
from translator.envoy.cel import cel_matcher
from translator.languages.cel import ATTRIBUTES, FUNCTIONS, MAX_BYTES, MAX_DEPTH, CelError, check, parse

VALID_TEXTS = r"""
true
request.path == '/a'
request['path'] == '/a'
.request.path == '/a'
request.headers['x-env'] in ['test', 'stage'] && !has(request.headers.x)
has(request.headers.x) ? request.headers.x == 'a' : false
size(request.path) > 1 || request.path.size() < -1
request.path.contains('a') && startsWith(request.path, '/') && request.path.matches('^/a+$')
matches(request.path, request.method)
int('1') + 1 == 2 && uint('1') == 1u && double('1') / 2.0 < 1.0 && bytes('a') == b'a' && bool('true')
type(1) == int && dyn(1) == 1 && 5 % 2 * 3 - 1 == 2
timestamp('2030-01-01T00:00:00Z') > request.time && request.time.getHours('Europe/Berlin') > 8
request.duration < duration('1s')
re.extract(request.path, '/([a-z]+)', '\\1') == 'a' && re.capture(request.path, '/(a)') == 'a'
metadata.filter_metadata['envoy.filters.http.jwt_authn'].payload.sub == 'a'
filter_state['a'] == 'b' && source.port != 80 && connection.mtls && xds.route_name == 'a'
response.code_details == 'route_not_found' || response.code >= 500
{'a': 1}['a'] == 1 && {'a': 1}.a == 1 && [1, 2][0] == 1 && null == null
"""

REFUSED_TEXTS = r"""
request.path.lowerAscii() == 'a'
request.path.substring(1) == 'a'
string(1) == '1'
[1].exists(x, x == 1)
[1].all(x, x == 1)
[1].map(x, x) == [1]
[1].filter(x, x > 1) == []
[1].exists_one(x, x == 1)
nope(1)
nope()
request.path.nope()
size(1, 2)
request.path.contains()
getHours(request.time)
'a'.int()
re.extract('a')
re.nope('a')
sets.contains([1], [1])
cidr('10.0.0.0/8').containsIP(source.address)
request.path.matches('a(')
cel.bind(x, 1, x == 1)
Foo{a: 1} == null
"""

NEVER_EVALUATED_TEXTS = """
route_name == 'a'
path == '/a'
request.pth == '/a'
request['pth'] == '/a'
has(request.pth)
node.id == 'a'
google.protobuf.Int32Value{value: 1} == 1
"""

VALID = VALID_TEXTS.strip().splitlines()
REFUSED = REFUSED_TEXTS.strip().splitlines()
NEVER_EVALUATED = NEVER_EVALUATED_TEXTS.strip().splitlines()

ATTRIBUTE = st.sampled_from([f"{root}.{each}" for root, some in ATTRIBUTES.items() for each in some])
VALUE = st.one_of(ATTRIBUTE, st.sampled_from(["1", "'a'", "[1, 'a']", "{'a': 1}", "nope", "request.nope", "null"]))
NAME = st.sampled_from(sorted({each.removeprefix("re.") for each in FUNCTIONS} | {"trim", "string", "nope"}))
EXPRESSION = st.recursive(
    VALUE,
    lambda each: st.one_of(
        st.builds("({} {} {})".format, each, st.sampled_from(["==", "+", "&&", "in", "<", "%"]), each),
        st.builds("{}({})".format, NAME, st.lists(each, max_size=3).map(", ".join)),
        st.builds("{}.{}({})".format, each, NAME, st.lists(each, max_size=2).map(", ".join)),
        st.builds("re.{}({})".format, NAME, st.lists(each, max_size=3).map(", ".join)),
        st.builds("[{}].exists(x, x == {})".format, each, each),
        st.builds("(!{} ? {} : {})".format, each, each, each),
    ),
    max_leaves=4,
)


def with_condition(predicate: Matcher.MatcherList.Predicate) -> HttpConnectionManager:
    """Return a connection manager that overrides responses where the predicate holds."""
    response = CustomResponse()
    matcher = response.custom_response_matcher.matcher_list.matchers.add()
    matcher.predicate.CopyFrom(predicate)
    matcher.on_match.action.name = "a"
    matcher.on_match.action.typed_config.Pack(LocalResponsePolicy())
    made = manager()
    router = made.http_filters.pop()
    made.http_filters.add(name="custom_response").typed_config.Pack(response)
    made.http_filters.append(router)
    return made


def test_envoy_takes_what_we_take(envoy_path: Path, tmp_path: Path) -> None:
    """Envoy takes the conditions that we do, with each function's own example, in a matcher and in a header."""
    texts = [*VALID, *(each.example for each in FUNCTIONS.values())]
    assert [(text, check(text)) for text in texts if check(text)] == []
    managers = [with_condition(cel_matcher(text)) for text in texts]
    assert refused(envoy_path, tmp_path, [*managers, *(with_format(f"%CEL({text})%") for text in texts)]) == {}


def test_envoy_refuses_what_we_refuse(envoy_path: Path, tmp_path: Path) -> None:
    """Envoy refuses the conditions that it cannot evaluate, as we do; those that never hold, only we refuse."""
    texts = [*REFUSED, *NEVER_EVALUATED]
    assert [text for text in texts if not check(text)] == []
    found = refused(envoy_path, tmp_path, [with_format(f"%CEL({text})%") for text in texts])
    assert [texts[place] for place in sorted(found)] == REFUSED


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.large_base_example])
@given(texts=st.lists(EXPRESSION, min_size=100, max_size=100))
def test_envoy_takes_random_expressions_that_we_take(texts: list[str], envoy_path: Path, tmp_path: Path) -> None:
    """Of random expressions, Envoy takes all that we take, and refuses none but those that we refuse."""
    managers = [with_format(f"%CEL({text})%") for text in texts]
    found = refused(envoy_path, tmp_path, managers)
    assert [(texts[place], error) for place, error in found.items() if not check(texts[place])] == []
    ours = [text for text in texts if not check(text)]
    assert refused(envoy_path, tmp_path, [with_condition(cel_matcher(text)) for text in ours]) == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("request.path ==", "line 1, column 16: something is missing at the end"),
        ("true &&\n  request.pth == 'a'", "line 2, column 10: request has no pth: did you mean request.path?"),
        ("rquest.path == 'a'", "line 1, column 1: there is no rquest: did you mean request?"),
        ("path == 'a'", "line 1, column 1: there is no path: did you mean request.path?"),
        ("route_name == 'a'", "line 1, column 1: there is no route_name: write xds.route_name"),
        ("'a' in headers", "line 1, column 8: there is no headers: write request.headers"),
        (
            "request.path.lowerAscii() == 'a'",
            "line 1, column 24: Envoy has no function lowerAscii: "
            "use matches with a regular expression, such as matches('(?i)^abc$')",
        ),
        (
            "request.path.startWith('a')",
            "line 1, column 23: Envoy has no function startWith: did you mean request.path.startsWith('a')?",
        ),
        ("size()", "line 1, column 5: size is written size(request.path)"),
        ("request.path.matches('(')", "line 1, column 21: '(' is not a regular expression of RE2: missing ): ("),
        (
            "[1].exists(x, x > 0)",
            "line 1, column 11: Envoy evaluates no comprehensions (all, exists, exists_one, "
            "filter, map): use 'in', or matches with a regular expression, or several conditions with && and ||",
        ),
    ],
)
def test_messages_say_where_and_the_way_out(text: str, problem: str) -> None:
    """The message gives line and column, the fault, and what to write instead."""
    assert check(text) == problem


def test_parsed_expressions_do_not_depend_on_what_was_parsed_before() -> None:
    """An expression is parsed to the same bytes each time, without positions."""
    text = "request.headers['a'] == 'b' && request.path.startsWith('/c')"
    first = parse(text)
    parse.cache_clear()
    assert parse(text) == first
    assert not ParsedExpr.FromString(first).HasField("source_info")


def test_the_matcher_has_the_attributes_as_input() -> None:
    """The predicate evaluates the parsed expression on the attributes of the request."""
    single = cel_matcher("request.path == '/a'").single_predicate
    assert single.input.typed_config.type_url.endswith("HttpAttributesCelMatchInput")
    found = CelMatcher.FromString(single.custom_match.typed_config.value)
    assert found.expr_match.cel_expr_parsed.SerializeToString(deterministic=True) == parse("request.path == '/a'")


def test_long_expressions() -> None:
    """An expression may have so many bytes."""
    assert check("'" + "a" * (MAX_BYTES - 2) + "'") is None
    assert check("'" + "ä" * (MAX_BYTES // 2) + "'") == f"has more than {MAX_BYTES} bytes: shorten it"


@pytest.mark.parametrize(
    "text", ["-(" * 200 + "1" + ")" * 200, " + ".join(["1"] * 200), "request.headers" + ".a" * 200]
)
def test_deep_expressions(text: str) -> None:
    """An expression may have so many levels, whatever they are made of; a long disjunction is not deep."""
    assert check(text) == f"is nested deeper than {MAX_DEPTH} levels: split it"
    assert check(" || ".join(["request.path == '/a'"] * 500)) is None


def test_errors_are_raised() -> None:
    """Whoever needs the parsed expression gets the fault as an error."""
    with pytest.raises(CelError, match="there is no nope"):
        cel_matcher("nope == 1")
