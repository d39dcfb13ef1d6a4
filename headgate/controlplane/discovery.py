"""Discovery: what the translator asks for outside of objects is fetched, and what is found is one of its inputs."""

from __future__ import annotations

import asyncio

from headgate.controlplane.inputs import Inputs
from watchers.ec2.client import InstanceClient
from watchers.ec2.watcher import instance_watcher
from watchers.modules.client import ModuleClient
from watchers.modules.watcher import module_watcher
from watchers.oidc.client import DiscoveryClient
from watchers.oidc.watcher import DiscoveryWatcher


class Discovery:
    """Follows the OpenID issuers, the instances of EC2 and the modules that a translator asks for.

    Args:
        inputs: take what is found.
        allow_http: whether issuers and modules may have http URLs, and be on this machine.
    """

    def __init__(self, inputs: Inputs, *, allow_http: bool) -> None:
        self._translator = inputs.translator
        self._client = DiscoveryClient(allow_http=allow_http)
        self._issuers = DiscoveryWatcher(self._client.fetch, inputs.set_discovered, inputs.set_discovery_synced)
        fetch = InstanceClient().fetch
        self._instances = instance_watcher(fetch, inputs.set_instances, inputs.set_instances_synced)
        self._module_client = ModuleClient(allow_http=allow_http)
        self._modules = module_watcher(self._module_client.fetch, inputs.set_module, inputs.set_modules_synced)
        # After a start, no route is closed, and no endpoint is taken away, for what is fetched within seconds.
        self._translator.set_discovery_synced(False)
        self._translator.set_instances_synced(False)
        self._translator.set_modules_synced(False)

    def evaluated(self) -> None:
        """Ask for what the last evaluation has read."""
        self._issuers.set_wanted(self._translator.issuers)
        self._instances.set_wanted(self._translator.instance_queries)
        modules = self._translator.module_sources
        self._module_client.keep(modules)
        self._modules.set_wanted(modules)

    async def run(self) -> None:
        """Follow it until cancelled."""
        async with self._client, self._module_client, asyncio.TaskGroup() as group:
            group.create_task(self._issuers.run(), name="discovery of issuers")
            group.create_task(self._instances.run(), name="discovery of instances")
            group.create_task(self._modules.run(), name="fetches of modules")
