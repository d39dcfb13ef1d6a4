"""What owners of policies are told of rules that cannot have what a unit asks for, or have it without effect."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from translator.extensions.hash_policies import NO_HASH, HashPolicies
from translator.extensions.hash_policies import check as check_hash
from translator.extensions.rewrite_policies import NO_NAME, RewriteHost, check_host
from translator.ir.backend import Backend, BackendKey, BackendSetting
from translator.ir.http import RouteMatch, Rule, WeightedBackend
from translator.objects.headgate.forwarding import HashPolicy

DISCOVERED = Backend(BackendKey("Service", "a", "w1"), 80)
NAMED = replace(DISCOVERED, hostname="z.test")
ADDRESS = replace(DISCOVERED, hostname="10.0.0.1")


@dataclass(frozen=True, slots=True)
class Hashing(BackendSetting):
    """A load balancer that hashes."""

    hashes: ClassVar[bool] = True


def rule(*backends: Backend | None) -> Rule:
    """Return a rule with these backends."""
    return Rule("0", (RouteMatch(),), backends=tuple(map(WeightedBackend, backends)))


@pytest.mark.parametrize(
    ("setting", "backends", "problem"),
    [
        (RewriteHost(), (DISCOVERED,), NO_NAME),
        (RewriteHost(), (ADDRESS, None), NO_NAME),
        (RewriteHost(), (DISCOVERED, NAMED), ""),
        (RewriteHost(), (None,), ""),
        (RewriteHost(literal="a.test"), (DISCOVERED,), ""),
    ],
)
def test_names_of_backends(setting: RewriteHost, backends: tuple[Backend | None, ...], problem: str) -> None:
    """The backend's name as Host is refused where no backend has a name; a missing backend is another problem."""
    assert check_host((setting,), rule(*backends)) == (problem, "")


@pytest.mark.parametrize(
    ("backends", "note"),
    [
        ((DISCOVERED, NAMED), NO_HASH),
        ((DISCOVERED, replace(NAMED, settings=(Hashing(),))), ""),
        ((None,), ""),
    ],
)
def test_hashes(backends: tuple[Backend | None, ...], note: str) -> None:
    """A hash that no load balancer uses is noted."""
    settings = (HashPolicies((HashPolicy.model_validate({"sourceIP": {}}),)),)
    assert check_hash(settings, rule(*backends)) == ("", note)
    assert check_hash((), rule(*backends)) == ("", "")
