"""Discovery of OpenID issuers: what the translator asks for is fetched, and what is found is one of its inputs."""

from __future__ import annotations

from headgate.controlplane.inputs import Inputs
from watchers.oidc.client import DiscoveryClient
from watchers.oidc.watcher import DiscoveryWatcher


class IssuerDiscovery:
    """Follows the issuers that a translator asks for.

    Args:
        inputs: take what is found.
        allow_http: whether issuers may be http URLs, and on this machine.
    """

    def __init__(self, inputs: Inputs, *, allow_http: bool) -> None:
        self._translator = inputs.translator
        self._client = DiscoveryClient(allow_http=allow_http)
        self._watcher = DiscoveryWatcher(self._client.fetch, inputs.set_discovered, inputs.set_discovery_synced)
        # After a start, no route is closed for what is fetched within seconds.
        self._translator.set_discovery_synced(False)

    def evaluated(self) -> None:
        """Ask for the issuers that the last evaluation has read."""
        self._watcher.set_wanted(self._translator.issuers)

    async def run(self) -> None:
        """Follow the issuers until cancelled."""
        async with self._client:
            await self._watcher.run()
