"""Inspections by libmodsecurity with the Core Rule Set: what is refused, by which profile."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.waf.engine import MOST_MATCHES, MOST_RULE_SETS, MOST_TEXT, Engine
from headgate.waf.inspection import InspectedResponse
from tests.headgate.waf.requests import ATTACK, HEADERS, post, request
from translator.waf_profile import Exclusion, Profile


def ids(engine: Engine, uri: str, **profile: Any) -> tuple[int, list[int]]:
    """Return the status of a request and the rules that have matched."""
    found = engine.inspect(request(uri, profile=Profile(**profile)), b"")
    assert not found.error
    return found.status, [each.rule for each in found.matches]


def test_attacks_are_refused(engine: Engine) -> None:
    """A request with an attack in its query, a header, a cookie or a body is refused, and one without is not."""
    assert ids(engine, "/shop?page=2&sort=price") == (0, [])
    assert ids(engine, ATTACK) == (403, [942100, 949110])
    cookie = (*HEADERS, ("cookie", "a=<script>alert(1)</script>"))
    assert engine.inspect(request(headers=cookie), b"").status == 403
    shell = (*HEADERS, ("user-agent", "() { :; }; /bin/bash -c id"))
    assert engine.inspect(request(headers=shell), b"").status == 403
    for body, kind in (
        (b"id=1' or 1=1--", "application/x-www-form-urlencoded"),
        (b'{"a": {"b": "1 union select password from users"}}', "application/json"),
        (b"<a><b>1 union select password from users</b></a>", "text/xml"),
        (
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n<script>alert(1)</script>\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
        ),
        (b"id=1' or 1=1--", "text/unknown"),
    ):
        assert engine.inspect(post(body, kind), body).status == 403, body
    for body, kind in ((b"id=1", "application/x-www-form-urlencoded"), (b'{"a": [1, "b"]}', "application/json")):
        assert engine.inspect(post(body, kind), body).status == 0, body


def test_detection_only(engine: Engine) -> None:
    """With the mode DetectOnly the same rules match, and nothing is refused."""
    assert ids(engine, ATTACK, mode="DetectOnly") == (0, [942100, 949110])
    body = b'{"a":'
    found = engine.inspect(post(body, "application/json", profile=Profile(mode="DetectOnly")), body)
    assert (found.status, bool(found.matches)) == (0, True)


def test_paranoia_and_threshold(engine: Engine) -> None:
    """A higher paranoia level has more rules match; a higher threshold lets more of them match."""
    mild = "/?a=%3Bls"
    before = ids(engine, mild)[1]
    assert set(before) < set(ids(engine, mild, paranoia=4)[1])
    assert ids(engine, ATTACK, threshold=6) == (0, [942100])
    assert ids(engine, ATTACK, threshold=5)[0] == 403


@pytest.mark.parametrize(
    ("exclusion", "excluded", "kept"),
    [
        (Exclusion(rules=(942100,)), [ATTACK, f"/a{ATTACK}"], []),
        (Exclusion(targets=("ARGS:id",)), [ATTACK], [ATTACK.replace("id", "x")]),
        (Exclusion((942100,), ("ARGS:id",)), [ATTACK], [ATTACK.replace("id", "x")]),
        (
            Exclusion((942100,), paths=("/blog",)),
            [f"/blog{ATTACK[1:]}", f"/blog{ATTACK}", f"/blog/a{ATTACK}"],
            [ATTACK, f"/blogs{ATTACK}"],
        ),
        (
            Exclusion((), ("ARGS:id",), ("/blog", "/b")),
            [f"/blog{ATTACK}", f"/b{ATTACK}"],
            [f"/blog{ATTACK.replace('id', 'x')}", ATTACK],
        ),
        (Exclusion((942100,), ("ARGS:id",), ("/blog/",)), [f"/blog{ATTACK}"], [f"/blo{ATTACK}"]),
        (Exclusion((942100,), ("ARGS:id",), ("/",)), [ATTACK, f"/x{ATTACK}"], []),
    ],
)
def test_exclusions(engine: Engine, exclusion: Exclusion, excluded: list[str], kept: list[str]) -> None:
    """What is excluded is not looked at, at the paths and in the parts that the exclusion names, and nowhere else."""
    for uri in excluded:
        assert ids(engine, uri, exclusions=(exclusion,)) == (0, []), uri
    for uri in kept:
        assert ids(engine, uri, exclusions=(exclusion,))[0] == 403, uri


@pytest.mark.parametrize(
    "path",
    ["/blog/..%2fadmin", "/blog/%2e%2e/admin", "/blog/../admin", "/blog//admin", "/blog/..;/admin", "/blog\\..\\admin"],
)
def test_paths_that_may_lead_elsewhere_are_not_excluded(engine: Engine, path: str) -> None:
    """An exclusion of a path is not for a path that a backend could take for another one."""
    exclusion = Exclusion((942100,), paths=("/blog",))
    assert ids(engine, f"{path}{ATTACK[1:]}", exclusions=(exclusion,))[0] == 403


def test_own_directives(engine: Engine) -> None:
    """Rules of a profile's own are in effect beside those of the Core Rule Set, and change these."""
    rule = 'SecRule ARGS:x "@streq 1" "id:1,phase:2,deny,status:418,msg:\'no\'"'
    assert ids(engine, "/?x=1", directives=rule) == (418, [1])
    assert ids(engine, ATTACK, directives=rule)[0] == 403
    assert ids(engine, ATTACK, directives=f"{rule}\nSecRuleRemoveById 942100") == (0, [])
    assert ids(engine, ATTACK, directives='SecRuleUpdateTargetById 942100 "!ARGS:id"') == (0, [])
    off = 'SecRule REQUEST_URI "@beginsWith /health" "id:2,phase:1,pass,nolog,ctl:ruleEngine=Off"'
    assert ids(engine, f"/health{ATTACK}", directives=off) == (0, [])
    assert ids(engine, ATTACK, directives=off)[0] == 403


def test_directives_that_the_library_does_not_take(engine: Engine) -> None:
    """A profile whose directives libmodsecurity cannot parse inspects nothing, and says why."""
    found = engine.inspect(request(profile=Profile(directives='SecRule ARGS "@ipMatch none" "id:1,phase:2,deny"')), b"")
    assert (found.status, found.matches) == (0, ())
    assert "Rules error" in found.error


def test_bodies_that_cannot_be_read(engine: Engine) -> None:
    """A body that is not what its type says is refused, unless there is more of it than is inspected."""
    for body, kind in (
        (b'{"a": "b', "application/json"),
        (b"[" * 200 + b"]" * 200, "application/json"),
        (b"<a><b></a>", "application/xml"),
        (b"--x\r\n", "multipart/form-data; boundary=x"),
    ):
        assert engine.inspect(post(body, kind), body).status == 400, body
    body = b'{"a": "b'
    assert engine.inspect(post(body, "application/json", truncated=True), body).status == 0
    body = b'{"a": "1 union select password from users", "b'
    assert engine.inspect(post(body, "application/json", truncated=True), body).status == 403


def test_too_many_parameters(engine: Engine) -> None:
    """A request with more parameters than are looked at is refused."""
    body = b"&".join(b"a%d=1" % each for each in range(1_001))
    assert engine.inspect(post(body), body).status == 400


def test_expressions_that_try_too_much(engine: Engine) -> None:
    """A request with which an expression tries more than it may is refused."""
    body = b"a=" + b"$(" * 4_000
    found = engine.inspect(post(body), body)
    assert found.status == 403
    assert 9_990_005 in [each.rule for each in found.matches]


def test_bytes_that_are_no_text(engine: Engine) -> None:
    """Any bytes in the path, in headers and in bodies are inspected as they are."""
    odd = "".join(map(chr, range(0x80, 0x100)))
    found = engine.inspect(request(f"/{odd}?id=1' or 1=1--", headers=(*HEADERS, ("x-odd", odd))), b"")
    assert found.status == 403
    body = bytes(range(256)) * 10
    assert not engine.inspect(post(body, "application/octet-stream"), body).error


def test_responses(engine: Engine) -> None:
    """A response that tells of the inside of a backend is refused."""
    html = InspectedResponse(200, (("content-type", "text/html"),))
    leak = b"You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version"
    assert engine.inspect(request(response=html), leak).status == 403
    assert engine.inspect(request(response=html), b"<p>hello</p>").status == 0
    mild = engine.inspect(request(response=html, profile=Profile(threshold=100)), leak)
    assert mild.status == 0
    assert mild.matches


def test_what_is_reported_is_bounded(engine: Engine) -> None:
    """Of many matches the first ones are reported, each with the beginning of its texts."""
    actions = "phase:2,pass,log,capture,logdata:%{TX.0}"
    rules = (f'SecRule ARGS:a "@rx .*" "id:{each},{actions}"' for each in range(1, 121))
    found = engine.inspect(request(f"/?a={'x' * 500}", profile=Profile(directives="\n".join(rules))), b"")
    assert len(found.matches) == MOST_MATCHES
    assert max(len(each.data) for each in found.matches) == MOST_TEXT


def test_rule_sets_are_bounded(engine: Engine) -> None:
    """An engine keeps the rules of the profiles that were used last."""
    for threshold in range(1, MOST_RULE_SETS + 4):
        assert not engine.inspect(request(profile=Profile(threshold=threshold)), b"").error
    assert len(engine._loaded) == MOST_RULE_SETS
