"""Manifests stay while they cannot be computed, and no object is deleted then."""

from __future__ import annotations

import pytest

from translator.infrastructure.manifest import PAUSED, Manifest, ProxyManifests
from translator.infrastructure.manifest_table import ManifestTable
from translator.refs import Ref

GATEWAY = Ref("Gateway", "shop", "web")
MANIFESTS = ProxyManifests((Manifest(Ref("Service", "shop", "web"), {}),))


@pytest.fixture
def table() -> ManifestTable:
    """Return a table without Gateways."""
    return ManifestTable()


def test_paused_manifests_replace_no_others(table: ManifestTable) -> None:
    """The manifests stay while new ones cannot be computed, or must not be applied."""
    table.set(GATEWAY, MANIFESTS)
    assert table.take_changes() == {GATEWAY: MANIFESTS}
    table.pause(GATEWAY)
    table.set(GATEWAY, PAUSED)
    assert table.take_changes() == {}
    assert table.manifests == {GATEWAY: MANIFESTS}


def test_a_gateway_without_manifests_is_paused(table: ManifestTable) -> None:
    """The objects of a Gateway with unknown manifests are left as they are until the manifests are known."""
    table.pause(GATEWAY)
    assert table.take_changes() == {GATEWAY: PAUSED}
    table.set(GATEWAY, MANIFESTS)
    assert table.take_changes() == {GATEWAY: MANIFESTS}


def test_empty_manifests_are_applied(table: ManifestTable) -> None:
    """Nothing is deployed any more for a Gateway with self-managed proxies."""
    table.set(GATEWAY, MANIFESTS)
    table.set(GATEWAY, ProxyManifests())
    assert table.manifests == {GATEWAY: ProxyManifests()}


def test_another_controller_s_gateway_is_unmanaged(table: ManifestTable) -> None:
    """It has no manifests, and is unmanaged until it is ours or deleted, even if it is paused meanwhile."""
    table.set(GATEWAY, MANIFESTS)
    assert not table.is_unmanaged(GATEWAY)
    table.set(GATEWAY, None)
    assert table.is_unmanaged(GATEWAY)
    assert table.manifests == {}
    table.pause(GATEWAY)
    assert table.is_unmanaged(GATEWAY)
    table.set(GATEWAY, PAUSED)
    assert not table.is_unmanaged(GATEWAY)


def test_a_deleted_gateway_is_not_unmanaged(table: ManifestTable) -> None:
    """A deleted Gateway is not another controller's, and its objects are removed once."""
    table.set(GATEWAY, None)
    table.remove(GATEWAY)
    assert not table.is_unmanaged(GATEWAY)
    table.set(GATEWAY, MANIFESTS)
    table.take_changes()
    table.remove(GATEWAY)
    table.remove(GATEWAY)
    assert table.take_changes() == {GATEWAY: None}
