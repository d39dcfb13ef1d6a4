"""Manifests stand while they cannot be computed, and nothing is deleted for that."""

from __future__ import annotations

import pytest

from translator.infrastructure.manifest import PAUSED, Manifest, ProxyManifests
from translator.infrastructure.manifest_table import ManifestTable
from translator.refs import Ref

GATEWAY = Ref("Gateway", "shop", "web")
MANIFESTS = ProxyManifests((Manifest(Ref("Service", "shop", "web"), {}),))


@pytest.fixture
def table() -> ManifestTable:
    """Make a table without Gateways."""
    return ManifestTable()


def test_paused_never_takes_the_place_of_manifests(table: ManifestTable) -> None:
    """What is deployed stays as it is while its manifests cannot be computed, or must not be applied."""
    table.set(GATEWAY, MANIFESTS)
    assert table.take_changes() == {GATEWAY: MANIFESTS}
    table.pause(GATEWAY)
    table.set(GATEWAY, PAUSED)
    assert table.take_changes() == {}
    assert table.manifests == {GATEWAY: MANIFESTS}


def test_a_gateway_without_manifests_is_paused(table: ManifestTable) -> None:
    """What runs for a Gateway whose manifests never were known is left alone, until they are."""
    table.pause(GATEWAY)
    assert table.take_changes() == {GATEWAY: PAUSED}
    table.set(GATEWAY, MANIFESTS)
    assert table.take_changes() == {GATEWAY: MANIFESTS}


def test_manifests_that_are_empty_are_manifests(table: ManifestTable) -> None:
    """Of a Gateway whose proxies somebody else runs nothing is deployed any more."""
    table.set(GATEWAY, MANIFESTS)
    table.set(GATEWAY, ProxyManifests())
    assert table.manifests == {GATEWAY: ProxyManifests()}


def test_another_controller_s_gateway_is_known_as_such(table: ManifestTable) -> None:
    """It has no manifests, and counts as another's until it is ours or gone, even if it is paused meanwhile."""
    table.set(GATEWAY, MANIFESTS)
    assert not table.is_unmanaged(GATEWAY)
    table.set(GATEWAY, None)
    assert table.is_unmanaged(GATEWAY)
    assert table.manifests == {}
    table.pause(GATEWAY)
    assert table.is_unmanaged(GATEWAY)
    table.set(GATEWAY, PAUSED)
    assert not table.is_unmanaged(GATEWAY)


def test_a_gateway_that_is_gone_is_nobody_s(table: ManifestTable) -> None:
    """A Gateway that does not exist is not another controller's, and is taken down once."""
    table.set(GATEWAY, None)
    table.remove(GATEWAY)
    assert not table.is_unmanaged(GATEWAY)
    table.set(GATEWAY, MANIFESTS)
    table.take_changes()
    table.remove(GATEWAY)
    table.remove(GATEWAY)
    assert table.take_changes() == {GATEWAY: None}
