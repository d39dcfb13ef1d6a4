"""Reconciles the proxies of Gateways: applies what differs, repairs what drifts, prunes what is left.

What has been applied is not applied again until its manifest changes, or the fields of the manifest do in the API
server. Before something that runs is changed, the API server is asked whether it would take all of it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from translator.infrastructure.manifest import WORKLOADS, Manifest, ProxyManifests
from translator.inputs import ApplyResult
from translator.objects.gateway_api.gateway import Gateway
from translator.refs import Ref
from watchers.controllers.reconciler import LONGEST_RETRY, Reconciler, Rejected, Result
from watchers.kubernetes.backoff import Backoff
from watchers.kubernetes.client import Api
from watchers.kubernetes.errors import ClusterError, Malformed
from watchers.kubernetes.paths import collection
from watchers.kubernetes.resource_version import older
from watchers.proxies.api_errors import conflicting_object, is_namespace_gone, problem_of
from watchers.proxies.inventory import Inventory
from watchers.proxies.owned_fields import owned_fields
from watchers.proxies.server_side_apply import Applied, Applier, ApplyError, ApplyObserver

log = structlog.stdlib.get_logger("headgate.deployer")

CONCURRENCY: Final = 8
"""The number of Gateways reconciled at once."""
REPAIRED_SECONDS: Final = 600.0
"""What has been left alone for so long drifts anew; until then, who undoes what we do is met ever less often."""
OBSERVE_SECONDS: Final = 5.0
"""Within so many seconds the API server tells of what was created; what it does not tell of is not there."""


@dataclass(slots=True)
class _Repairs:
    """How often an object was repaired lately.

    Attributes:
        rest: until when its drift is left alone.
        pauses: how long it is left alone after a repair.
    """

    rest: float = 0.0
    pauses: Backoff = field(default_factory=lambda: Backoff(0.5, LONGEST_RETRY))


@dataclass(slots=True)
class _GatewayMemory:
    """The state kept of a Gateway.

    Attributes:
        applied: by object, what was applied.
        observed: the objects that the API server has told of since: one that is not there then has been deleted.
        repairs: by object, how often it was repaired.
    """

    applied: dict[Ref, Applied] = field(default_factory=dict)
    observed: set[Ref] = field(default_factory=set)
    repairs: defaultdict[Ref, _Repairs] = field(default_factory=lambda: defaultdict(_Repairs))


class ProxyReconciler:
    """Reconcile the deployed objects with the wanted manifests, while `run` runs.

    Args:
        api: the way to the API server.
        wanted: for each Gateway what is to be deployed; looked at anew each time.
        inventory: what is deployed; it must be complete before `run` runs, and tell `enqueue` what changes.
        controller: the name of the controller, by whose label objects are known as its own.
        report: called with what the API server refuses of a Gateway, None once nothing.
        observer: is told what becomes of writes.
        may_write: asked right before each write, so that no late one slips through once the lease is lost.
        is_unmanaged: whether a Gateway is there, and for sure none of ours. What was deployed for one that is not
            `wanted` is deleted only if it is that, or the API server says that there is no such Gateway.
    """

    def __init__(
        self,
        api: Api,
        wanted: Mapping[Ref, ProxyManifests],
        inventory: Inventory,
        controller: str,
        report: Callable[[Ref, ApplyResult | None], None],
        *,
        observer: ApplyObserver | None = None,
        may_write: Callable[[], bool] = lambda: True,
        is_unmanaged: Callable[[Ref], bool] = lambda _: False,
    ) -> None:
        self._api = api
        self._applier = Applier(api, controller, may_write, observer)
        self._is_unmanaged = is_unmanaged
        self._wanted = wanted
        self._inventory = inventory
        self._report = report
        self._reconciler = Reconciler(CONCURRENCY, self._reconcile, _log_outage, _log_panic)
        self._memory: dict[Ref, _GatewayMemory] = {}
        self._reported: dict[Ref, ApplyResult] = {}
        self._unwatched: set[Ref] = set()

    def enqueue(self, gateways: Iterable[Ref]) -> None:
        """Enqueue Gateways whose wanted or deployed objects have changed."""
        self._reconciler.enqueue(gateways)

    @property
    def depth(self) -> int:
        """The number of Gateways that wait to be reconciled; 0 while this replica does not lead."""
        return self._reconciler.depth

    async def run(self) -> None:
        """Reconcile all Gateways, then those that are enqueued, until cancelled."""
        self._memory.clear()
        await self._reconciler.run(dict.fromkeys([*self._wanted, *self._inventory.gateways]))

    async def _reconcile(self, gateway: Ref) -> Result:
        """Deploy what is wanted for a Gateway, and report what the API server rejects of it."""
        memory = self._memory.setdefault(gateway, _GatewayMemory())
        try:
            again = await self._deploy(gateway, memory)
        except ApplyError as refused:
            raise self._rejected(gateway, refused) from None
        self._report_result(gateway, None)
        if gateway not in self._wanted:
            self._memory.pop(gateway, None)
        return Result(again)

    async def _deploy(self, gateway: Ref, memory: _GatewayMemory) -> float | None:
        wanted = self._wanted.get(gateway)
        if wanted is None:
            if self._inventory.has(gateway) and not await self._is_orphaned(gateway):
                return LONGEST_RETRY
            wanted = ProxyManifests()
        if wanted.paused:
            return None
        now = time.monotonic()
        fresh = [each for each in wanted.manifests if self._has_changed(each, memory)]
        drifted = [each for each in wanted.manifests if each not in fresh and self._has_drifted(each, memory, now)]
        rests = {each.ref: max(memory.repairs[each.ref].rest - now, 0.0) for each in drifted}
        await self._dry_run(fresh)
        for each in wanted.manifests:
            if each in fresh or rests.get(each.ref) == 0.0:
                live = self._inventory.get(each.ref)
                memory.applied[each.ref] = await self._applier.apply(each, live, repair=each in drifted)
                memory.observed.discard(each.ref)
            if rests.get(each.ref) == 0.0:
                self._note_repair(gateway, each.ref, memory.repairs[each.ref], now)
        await self._prune(gateway, wanted, memory)
        wait = min(filter(None, rests.values()), default=0.0)
        untold = any(self._inventory.get(each.ref) is None for each in wanted.manifests)
        return wait or (OBSERVE_SECONDS if untold else None)

    async def _is_orphaned(self, gateway: Ref) -> bool:
        """Whether what is deployed for a Gateway that is not wanted is nobody's any more.

        That this Headgate does not know a Gateway proves nothing: it may not watch its namespace, and another
        installation does. Only an answer is believed, so it is a list that is asked for: an error may mean anything.
        """
        if self._is_unmanaged(gateway):
            return True
        path, query = (
            collection(Gateway, Gateway.versions[0], gateway.namespace),
            {"fieldSelector": f"metadata.name={gateway.name}"},
        )
        found = await self._api.request("GET", path, query=query)
        if not isinstance(found, Mapping) or not isinstance(items := found.get("items", ()), list | None):
            raise Malformed(f"The answer to GET {path} is no list of Gateways")
        if items and gateway not in self._unwatched:
            self._unwatched.add(gateway)
            log.warning(
                "Proxies of a Gateway that this Headgate does not watch are left alone: another installation may look "
                "after them. If none does, delete them; give each installation a --controller-name of its own",
                gateway=str(gateway),
            )
        return not items

    def _has_changed(self, manifest: Manifest, memory: _GatewayMemory) -> bool:
        known = memory.applied.get(manifest.ref)
        return known is None or known.body != manifest.body

    def _has_drifted(self, manifest: Manifest, memory: _GatewayMemory, now: float) -> bool:
        """Whether the API server has something else by now than it made of the manifest."""
        known, live = memory.applied[manifest.ref], self._inventory.get(manifest.ref)
        if live is None:
            return manifest.ref in memory.observed or now - known.time >= OBSERVE_SECONDS
        if older(live.resource_version, known.version):
            return False
        memory.observed.add(manifest.ref)
        return bool(owned_fields(live.raw, manifest.body) != known.fields)

    def _note_repair(self, gateway: Ref, ref: Ref, repairs: _Repairs, now: float) -> None:
        if now - repairs.rest > REPAIRED_SECONDS:
            repairs.pauses.reset()
        repairs.rest = now + repairs.pauses.next()
        log.info("What somebody had changed or deleted is as it was", gateway=str(gateway), object=str(ref))

    async def _dry_run(self, manifests: Iterable[Manifest]) -> None:
        """Have the API server check all of it, so that it is not changed by half.

        Only what is there can be checked: what is to be created may depend on something that is not there yet.
        """
        for each in manifests:
            if self._inventory.get(each.ref) is not None:
                await self._applier.dry_run(each)

    async def _prune(self, gateway: Ref, wanted: ProxyManifests, memory: _GatewayMemory) -> None:
        """Delete what is there and not wanted. Proxies of the other kind stay until there are new ones."""
        keep = {each.ref for each in wanted.manifests}
        waiting = any(ref.kind in WORKLOADS and not self._available(ref) for ref in keep)
        for ref, live in list(self._inventory.of(gateway)):
            if ref in keep or (ref.kind in WORKLOADS and waiting):
                continue
            memory.applied.pop(ref, None)
            if await self._applier.delete(ref, live):
                log.info("What nothing asks for any more is deleted", gateway=str(gateway), object=str(ref))

    def _available(self, ref: Ref) -> bool:
        live = self._inventory.get(ref)
        status = live.raw.get("status") or {} if live is not None else {}
        return bool(status.get("availableReplicas") or status.get("numberAvailable"))

    def _rejected(self, gateway: Ref, refused: ApplyError) -> Rejected:
        ref, error = refused.ref, refused.error
        if error is not None and is_namespace_gone(error):
            return Rejected()
        problem = conflicting_object(ref) if error is None else problem_of(ref, error)
        self._report_result(gateway, ApplyResult((problem,)))
        return Rejected(0.0 if error is None else error.retry_after)

    def _report_result(self, gateway: Ref, deployed: ApplyResult | None) -> None:
        if self._reported.get(gateway) == deployed:
            return
        if deployed is None:
            del self._reported[gateway]
        else:
            self._reported[gateway] = deployed
            log.warning(deployed.problems[0].message, gateway=str(gateway))
        self._report(gateway, deployed)


def _log_outage(gateway: Ref, error: ClusterError, seconds: float) -> None:
    log.warning(f"Proxies are deployed later: {error}", gateway=str(gateway), seconds=round(seconds, 1))


def _log_panic(gateway: Ref) -> None:
    log.exception("A bug in Headgate, please report it: proxies are not deployed", gateway=str(gateway))
