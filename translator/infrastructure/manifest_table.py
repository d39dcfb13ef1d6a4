"""The manifest table: the last computed manifests of each Gateway's proxies."""

from __future__ import annotations

from collections.abc import Mapping

from translator.infrastructure.manifest import PAUSED, ProxyManifests
from translator.refs import Ref
from translator.tracked import TrackedMap


class ManifestTable:
    """The manifests of each managed Gateway; paused ones never replace others."""

    def __init__(self) -> None:
        """Start without Gateways."""
        self._manifests: TrackedMap[Ref, ProxyManifests] = TrackedMap()
        self._unmanaged: set[Ref] = set()

    @property
    def manifests(self) -> Mapping[Ref, ProxyManifests]:
        """The manifests of each managed Gateway."""
        return self._manifests.view

    def is_unmanaged(self, gateway: Ref) -> bool:
        """Return whether a Gateway exists and is known to be another controller's."""
        return gateway in self._unmanaged

    def set(self, gateway: Ref, manifests: ProxyManifests | None) -> None:
        """Set the computed manifests of a Gateway; None if another controller manages it."""
        if manifests is None:
            self._unmanaged.add(gateway)
            self._manifests.set(gateway, None)
            return
        self._unmanaged.discard(gateway)
        if manifests.paused:
            self.pause(gateway)
        else:
            self._manifests.set(gateway, manifests)

    def pause(self, gateway: Ref) -> None:
        """Pause a Gateway whose manifests are unknown: its existing objects are left as they are."""
        if gateway not in self.manifests:
            self._manifests.set(gateway, PAUSED)

    def remove(self, gateway: Ref) -> None:
        """Remove a deleted Gateway."""
        self._unmanaged.discard(gateway)
        self._manifests.set(gateway, None)

    def take_changes(self) -> dict[Ref, ProxyManifests | None]:
        """Return the manifests that changed since the last call; None for a Gateway without any."""
        return self._manifests.take_changes()
