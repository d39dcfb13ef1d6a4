"""A translator and a proxy reconciler with one namespace of a real API server."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from contextlib import aclosing
from typing import Any, Final, Self

import yaml

from translator.infrastructure.manifest import DEPLOYED_KINDS
from translator.inputs import Edit, GatewaySyncStatus, ProxyDefaults, Settings
from translator.objects.kubernetes.endpointslice import EndpointSlice
from translator.objects.kubernetes.service import Service
from translator.objects.kubernetes.workloads import DaemonSet, Deployment, Pod
from translator.refs import Ref
from translator.registry import KINDS
from translator.translator import Translator
from watchers.diagnostics import DiagnosticSet
from watchers.informers.informer import Informer
from watchers.informers.reflector import Reflector, Scope
from watchers.kubernetes.client import ApiClient
from watchers.proxies.inventory import Inventory, follow
from watchers.proxies.reconciler import ProxyReconciler

READ = (Service, EndpointSlice, Deployment, DaemonSet, Pod)
SECONDS: Final = 120
"""The timeout of waits: after a restart of the API server, the cluster's controllers may pause for a minute."""


class Counting:
    """A client that records requests: method, kind of object, name and whether it was a dry run."""

    def __init__(self, client: ApiClient) -> None:
        self.requests: list[tuple[str, str, str, bool]] = []
        self._client = client

    async def request(self, method: str, path: str, **options: Any) -> Any:
        """Send a request."""
        *_, plural, name = path.split("/")
        self.requests.append((method, plural, name, bool((options.get("query") or {}).get("dryRun"))))
        return await self._client.request(method, path, **options)

    def writes(self) -> list[tuple[str, str]]:
        """Return the writes, without dry runs."""
        return [(method, plural) for method, plural, _, dry_run in self.requests if method != "GET" and not dry_run]


class Deploying:
    """An asynchronous context manager, in which the translator's manifests are deployed.

    Attributes:
        gateway: the Gateway of the tests.
        api: the reconciler's client, which records requests.
    """

    def __init__(self, client: ApiClient, namespace: str, deploys: ApiClient | None = None) -> None:
        self.gateway = Ref("Gateway", namespace, "gw")
        self.name = "headgate-gw"
        self.client = client
        self.controller = f"test.headgate.dev/{namespace}"
        self.api = Counting(deploys or client)
        self.translator = Translator(
            Settings(standalone=False, addresses=("0.0.0.0",), controller_name=self.controller)
        )
        self.inventory = Inventory()
        self.reconciler = ProxyReconciler(
            self.api, self.translator.deployments, self.inventory, self.controller, self._deployed
        )
        self.inventory.add_event_handler(self.reconciler.enqueue)
        self._tasks = asyncio.TaskGroup()
        self._running: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        synced = asyncio.Semaphore(0)
        for model in DEPLOYED_KINDS.values():
            following = follow(
                self.inventory, self.client, model, self.controller, synced.release, self.gateway.namespace
            )
            self._start(following)
        for model in READ:
            self._start(
                self._read(Informer(Reflector(self.client, model, Scope(self.gateway.namespace)), DiagnosticSet()))
            )
        for _ in DEPLOYED_KINDS:
            await synced.acquire()
        return self

    async def __aexit__(self, *error: object) -> None:
        for each in self._running:
            each.cancel()
        await self._tasks.__aexit__(None, None, None)

    def lead(self) -> None:
        """Start the reconciler."""
        self._start(self.reconciler.run())

    def _start(self, work: Any) -> None:
        self._running.append(self._tasks.create_task(work))

    async def _read(self, objects: Informer) -> None:
        async with aclosing(objects.batches()) as batches:
            async for batch in batches:
                self.edit(batch.edits)

    def apply(self, documents: str) -> None:
        """Apply objects in YAML to the translator; $NS is the namespace, $CONTROLLER the controller's name."""
        text = documents.replace("$NS", self.gateway.namespace).replace("$CONTROLLER", self.controller)
        edits = []
        for raw in filter(None, yaml.safe_load_all(text)):
            parsed = KINDS.parse(copy.deepcopy(raw))
            assert parsed.object is not None, parsed.problems
            edits.append(Edit(parsed.object.ref, parsed.object))
        self.edit(edits)

    def remove(self, ref: Ref) -> None:
        """Remove an object from the translator."""
        self.edit([Edit(ref, None)])

    def edit(self, edits: Any) -> None:
        """Apply edits to the translator."""
        self.translator.edit(edits)
        self._evaluate()

    def set_proxy_defaults(self, defaults: ProxyDefaults) -> None:
        """Set the defaults of proxies."""
        self.translator.set_proxy_defaults(defaults)
        self._evaluate()

    def set_sync_status(self, status: GatewaySyncStatus) -> None:
        """Set the sync status of the Gateway."""
        self.translator.set_sync_status(self.gateway, status)
        self._evaluate()

    def _deployed(self, gateway: Ref, deployed: Any) -> None:
        self.translator.set_apply_result(gateway, deployed)
        self._evaluate()

    def _evaluate(self) -> None:
        changes = self.translator.evaluate()
        assert not changes.failures, changes.failures
        self.reconciler.enqueue(changes.deployments)
        self._changed.set()

    def condition(self, type_: str) -> tuple[str, str, str]:
        """Return status, reason and message of a condition of the Gateway."""
        status = self.translator.statuses[self.gateway]
        found = next(each for each in status["conditions"] if each["type"] == type_)
        return found["status"], found["reason"], found["message"]

    @property
    def addresses(self) -> list[dict[str, str]]:
        """Return the Gateway's addresses."""
        found: list[dict[str, str]] = self.translator.statuses[self.gateway]["addresses"]
        return found

    def there(self) -> set[str]:
        """Return the kinds of the Gateway's deployed objects."""
        return {ref.kind for ref, _ in self.inventory.of(self.gateway)}

    def path(self, kind: str, name: str = "") -> str:
        """Return the path of an object of the test's namespace."""
        model = DEPLOYED_KINDS[kind]
        root = f"/apis/{model.group}/{model.versions[0]}" if model.group else "/api/v1"
        return f"{root}/namespaces/{self.gateway.namespace}/{model.plural}/{name or self.name}"

    async def get(self, kind: str) -> Any:
        """Return an object of the Gateway."""
        return await self.client.get(self.path(kind))

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until a condition is true that depends on the API server or the reconciler."""
        try:
            async with asyncio.timeout(SECONDS):
                while not true():  # noqa: ASYNC110 (another process makes it hold)
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(await self._told()) from None

    async def _told(self) -> str:
        """Return the present state, for the message of a timeout."""
        pods = await self.client.get(f"/api/v1/namespaces/{self.gateway.namespace}/pods")
        statuses = {each["metadata"]["name"]: each["status"] for each in pods["items"]}
        there = sorted(map(str, (ref for ref, _ in self.inventory.of(self.gateway))))
        return f"{self.translator.statuses.get(self.gateway)}; there is {there}; pods: {statuses}"
