"""The regression tests of the Core Rule Set, as `make tools` gets them with the rules."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from headgate.waf.engine import Engine
from headgate.waf.rule_files import EQUIVALENTS, RuleFiles
from tests.headgate.waf.regression import Case, cases, passes
from tests.live.waf_service import rules

REQUESTS: Final = frozenset(["920181-1", "920640-5", "921140-1", "942131-3", "942131-5", "942131-7"])
"""Requests that rules match which they are not to: three because of what the engine is told of lengths and line breaks,
and three because the expression matches in ModSecurity's library what it does not in ModSecurity 2."""
ELEMENTS: Final = ("944100", "944110", "944120", "944210")
"""Rules that match the names of elements and attributes of XML, since the library has bodies of XML as text, too."""
LOGGED: Final = frozenset({"980170-1", "980170-2"})
"""Tests of a rule that only sums up what others have found, in a phase that is not run: the audit log does that."""


@pytest.mark.slow
def test_the_core_rule_sets_own_tests(engine: Engine) -> None:
    """Of 4,600 tests all pass but 38, which are named: no attack is missed, and 36 requests are matched wrongly."""
    applicable = [each for each in cases(rules() / "tests") if not each.of_server]
    assert len(applicable) > 4_500
    failed = {each.name for each in applicable if not passes(engine, each)}
    of_xml = {each for each in failed if each.startswith(ELEMENTS)}
    assert failed - of_xml == REQUESTS | LOGGED
    assert len(of_xml) == 30
    assert all(finds(engine, each) for each in applicable if each.name in failed - LOGGED)


def finds(engine: Engine, case: Case) -> bool:
    """Return whether all rules match that are to, whatever others do."""
    stages = tuple(each._replace(unexpected=frozenset()) for each in case.stages)
    return passes(engine, Case(case.name, stages))


def test_a_sample_of_them(engine: Engine) -> None:
    """One test of each file passes, of those that do at all."""
    first: dict[str, Case] = {}
    for each in cases(rules() / "tests"):
        if not each.of_server and each.name not in REQUESTS | LOGGED:
            first.setdefault(each.name.partition("-")[0], each)
    assert len(first) > 250
    assert [each.name for each in first.values() if not passes(engine, each)] == []


@pytest.mark.slow
def test_equivalents_match_the_same(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
    """Expressions that were replaced by faster ones match the same in all tests of their rules."""
    folder = rules()
    texts = "".join(each.read_text() for each in Path(folder / "rules" / "@owasp_crs").glob("*.conf"))
    assert all(texts.count(slow) == 1 for slow, _ in EQUIVALENTS.values())
    monkeypatch.setattr("headgate.waf.rule_files.EQUIVALENTS", {})
    original = Engine(RuleFiles.read(folder))
    found = [each for each in cases(folder / "tests") if each.name.startswith(("941", "942"))]
    assert len(found) > 1_000
    assert [each.name for each in found if passes(engine, each) != passes(original, each)] == []
