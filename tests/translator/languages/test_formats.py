"""Substitution formats: our table and syntax are those of a real Envoy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.translator.languages.envoy import refused, with_format
from translator.languages.formats import COMMANDS, FORBIDDEN, check_format, literal

VALID_TEXTS = r"""
%REQ(:PATH)%  %REQ(X-A?:PATH):32%  %REQ(?b)%  %REQ(a?)%  %RESP(a_b.c)%  %TRAILER(a):0%
%PATH%  %PATH()%  %PATH(WQ)%  %PATH(NQ:ORIG)%  %PATH(:PATH):3%  %PATH(WQ:ORIG_OR_PATH:x)%
%START_TIME(%Y/%m/%dT%H:%M:%S%z)%  %START_TIME(%s.%3f)%  %EMIT_TIME(%E3n)%  %DOWNSTREAM_PEER_CERT_V_END(%s)%
%COMMON_DURATION(a:b)%  %COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%  %COMMON_DURATION(::ns)%
%GRPC_STATUS(NUMBER)%  %GRPC_STATUS()%  %RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%  %QUERY_PARAMS(DECODED):3%
%FILTER_STATE(a)%  %FILTER_STATE(a:)%  %FILTER_STATE(a:PLAIN):3%  %FILTER_STATE(a:FIELD:b:c)%
%METADATA(ROUTE)%  %METADATA(VIRTUAL_HOST:a:b):3%  %DYNAMIC_METADATA(a:b:c):3%  %XFCC_VALUE(URI):3%
%COALESCE({"operators":["PROTOCOL"]})%  %COALESCE({"operators":[{"command":"REQ","param":"a","max_length":3}]}):3%
%CEL(request.path):3%  %CEL('a%b')%  %PROTOCOL()%  a%%b  %%%%  é%PROTOCOL%ü
"""

INVALID_TEXTS = r"""
%NOPE%  %req(a)%  %  100%  %%%  %PROTOCOL  %A  %PROTOCOL:3%  %PROTOCOL(a)%  %REQ%  %REQ()%  %REQ(a?b?c)%  %REQ(é)%
%REQ(a:b)%  %REQ(::a)%  %REQ((a))%  %REQ(a)(b)%  %REQ(a)b%  %REQ(a):%  %REQ(a):-1%  %REQ(a):18446744073709551616%
%PATH(a)%  %PATH(WQ:a)%  %START_TIME(%n)%  %START_TIME(%_n)%  %EMIT_TIME(%-2En)%  %UPSTREAM_PEER_CERT_V_END(%n)%
%START_TIME:3%  %COMMON_DURATION(a)%  %COMMON_DURATION(a:b:s)%  %COMMON_DURATION(a:b:us:c)%  %COMMON_DURATION(a:b):1%
%GRPC_STATUS(x)%  %GRPC_STATUS:3%  %QUERY_PARAMS(a)%  %FILTER_STATE%  %FILTER_STATE(:PLAIN)%  %FILTER_STATE(a:FIELD)%
%FILTER_STATE(a:x)%  %FILTER_STATE(a:PLAIN:x)%  %METADATA%  %METADATA(x:a)%  %XFCC_VALUE(x)%  %XFCC_VALUE%
%CLUSTER_METADATA%  %UPSTREAM_METADATA(a:b):3%  %DYNAMIC_METADATA%  %QUERY_PARAM%  %COALESCE%  %COALESCE(x)%
%COALESCE([])%  %COALESCE({"operators":[]})%  %COALESCE({"operators":["NOPE"]})%  %COALESCE({"operators":["REQ"]})%
%COALESCE({"operators":[1]})%  %COALESCE({"operators":[{"command":"PROTOCOL","max_length":3}]})%
%COALESCE({"operators":[{"command":"REQ","param":"a","max_length":-3}]})%  %COALESCE({"operators":[{"param":"a"}]})%
%CEL%  %CEL(1+)%  %CEL(nope(1))%  %CEL([1].exists(x,x==1))%  %CEL(request.path.lowerAscii())%
"""

VALID, INVALID = VALID_TEXTS.split(), INVALID_TEXTS.split()

PARAMETERS = st.lists(
    st.sampled_from(
        ["a", "X-A", ":PATH", ":", "?", "b", "WQ", "PLAIN", "FIELD", "ms", "NUMBER", "%", "n", "(", ")", " "]
    ),
    max_size=4,
).map("".join)
COMMAND = st.builds(
    "%{}{}{}%".format,
    st.sampled_from(sorted({*COMMANDS, "NOPE", "req", ""} - {"CEL", "COALESCE"})),
    st.one_of(st.just(""), PARAMETERS.map("({})".format)),
    st.sampled_from(["", "", ":3", ":", ":a", ":18446744073709551615"]),
)
FORMAT = st.lists(st.one_of(COMMAND, st.sampled_from(["a", "%%", "%", "\n", "%%%", "é"])), max_size=4).map("".join)


def test_envoy_has_every_command(envoy_path: Path, tmp_path: Path) -> None:
    """Envoy takes each command of the table, with its example of parameters, and with a length where we say so."""
    texts = []
    for name, command in COMMANDS.items():
        written = f"%{name}({command.example})%" if command.example else f"%{name}%"
        texts += [written, written[:-1] + ":3%"] if command.takes_length else [written]
    assert len(texts) > 160
    assert [text for text in texts if check_format(text)] == []
    assert refused(envoy_path, tmp_path, [with_format(text) for text in texts]) == {}


@pytest.mark.slow
def test_envoy_has_no_other_command(envoy_path: Path, tmp_path: Path) -> None:
    """Of all words in Envoy's binary that could be commands, Envoy knows those of the table and the forbidden ones."""
    words = set(re.findall(rb"(?<![A-Z0-9_])[A-Z][A-Z0-9_]{2,48}(?![A-Za-z0-9_])", envoy_path.read_bytes()))
    names = sorted(word.decode() for word in words)
    assert len(names) > 5000
    found = refused(envoy_path, tmp_path, [with_format(f"%{name}%") for name in names])
    unknown = {names[place] for place, error in found.items() if "Not supported field" in error}
    assert set(names) - unknown <= {*COMMANDS, *FORBIDDEN}
    assert len(set(names) - unknown) > 120


def test_envoy_takes_and_refuses_the_same_formats(envoy_path: Path, tmp_path: Path) -> None:
    """Each format of the lists is valid, or invalid, for us and for Envoy."""
    texts = [*VALID, *INVALID]
    assert [text for text in VALID if check_format(text)] == []
    assert [text for text in INVALID if not check_format(text)] == []
    found = refused(envoy_path, tmp_path, [with_format(text) for text in texts])
    assert [texts[place] for place in sorted(found)] == INVALID


@settings(
    max_examples=5,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.large_base_example,
        HealthCheck.filter_too_much,
    ],
)
@given(texts=st.lists(FORMAT.filter(bool), min_size=150, max_size=150))
def test_envoy_agrees_on_random_formats(texts: list[str], envoy_path: Path, tmp_path: Path) -> None:
    """On random formats, Envoy refuses those that we refuse, and no others."""
    found = refused(envoy_path, tmp_path, [with_format(text) for text in texts])
    ours = {place for place, text in enumerate(texts) if check_format(text)}
    assert [texts[place] for place in sorted(ours ^ found.keys())] == []


@given(text=st.text(max_size=40))
def test_literals_are_valid(text: str) -> None:
    """The format of a literal is valid whatever the text, and stands for it."""
    assert check_format(literal(text)) is None
    assert literal(text).replace("%%", "%") == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("at 100%", "'%': '%' begins a command: write %% for one '%'"),
        ("%UPSTREM_HOST%", "%UPSTREM_HOST%: there is no command UPSTREM_HOST: did you mean UPSTREAM_HOST?"),
        ("%METHOD%", "%METHOD%: there is no command METHOD: did you mean REQ(:METHOD)?"),
        ("%REQ%", "%REQ%: REQ requires parameters: write, for example, %REQ(X-REQUEST-ID)%"),
        ("%PROTOCOL(x)%", "%PROTOCOL(x)%: PROTOCOL takes no parameters: write %PROTOCOL%"),
        ("%PROTOCOL:3%", "%PROTOCOL:3%: PROTOCOL takes no length: remove :3"),
        (
            "%req(:path)%",
            "'%req(:path)%': a command is written %REQ%, or, where it has parameters, %REQ(…)%; write %% for one '%'",
        ),
        (
            "%ENVIRONMENT(HOME)%",
            "%ENVIRONMENT(HOME)%: would show the environment of the proxy, which may hold secrets: "
            "write the value itself",
        ),
        ("%CEL(request.pth)%", "%CEL(request.pth)%: line 1, column 8: request has no pth: did you mean request.path?"),
    ],
)
def test_messages_say_the_way_out(text: str, problem: str) -> None:
    """The message names the command, what is wrong with it, and what to write instead."""
    assert check_format(text) == problem
