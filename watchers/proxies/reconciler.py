"""The controller of proxies: applies changed manifests, repairs drift, and prunes objects that are no longer wanted.

A manifest that was applied is applied again only when it changes, or when its fields change at the API server. Before
existing objects of a Gateway are changed, the API server validates all of them by a dry run.
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
from watchers.kubernetes.errors import ClusterError, Malformed, is_namespace_gone
from watchers.kubernetes.paths import collection
from watchers.kubernetes.resource_version import older
from watchers.proxies.api_errors import conflicting_object, problem_of
from watchers.proxies.inventory import Inventory
from watchers.proxies.owned_fields import owned_fields
from watchers.proxies.server_side_apply import Applied, Applier, ApplyError, ApplyObserver

log = structlog.stdlib.get_logger("headgate.deployer")

CONCURRENCY: Final = 8
"""The number of Gateways reconciled at once."""
REPAIRED_SECONDS: Final = 600.0
"""The time without drift after which the backoff of repairs is reset."""
OBSERVE_SECONDS: Final = 5.0
"""The time in which a watch delivers a created object; one that is not observed by then counts as deleted."""


@dataclass(slots=True)
class _Repairs:
    """The backoff of an object's repairs.

    Attributes:
        rest: the time until which its drift is not repaired.
        pauses: the pauses after repairs.
    """

    rest: float = 0.0
    pauses: Backoff = field(default_factory=lambda: Backoff(0.5, LONGEST_RETRY))


@dataclass(slots=True)
class _GatewayMemory:
    """The state of a Gateway between reconciliations.

    Attributes:
        applied: the result of the last apply, by object.
        observed: the objects that were observed since: one that is missing later has been deleted.
        repairs: the backoff of repairs, by object.
    """

    applied: dict[Ref, Applied] = field(default_factory=dict)
    observed: set[Ref] = field(default_factory=set)
    repairs: defaultdict[Ref, _Repairs] = field(default_factory=lambda: defaultdict(_Repairs))


class ProxyReconciler:
    """Reconciles the deployed objects with the wanted manifests, while `run` runs.

    Args:
        api: the client of the API server.
        wanted: the wanted manifests of each Gateway; read at each reconciliation.
        inventory: the observed objects; synced before `run`, with `enqueue` as a handler of changes.
        controller: the name of the controller, whose label marks its objects.
        report: called when the result of a Gateway changes: with the API server's errors, None for success.
        observer: receives the outcomes of writes.
        may_write: called before each write; False once the lease is lost, so that no late write is sent.
        is_unmanaged: whether a Gateway exists, and certainly is not ours. The objects of a Gateway that is not `wanted`
            are deleted only if this holds, or if the API server has no such Gateway.
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
        """Deploy the manifests of a Gateway, and report the API server's error or success."""
        memory = self._memory.setdefault(gateway, _GatewayMemory())
        try:
            again = await self._deploy(gateway, memory)
        except ApplyError as failure:
            raise self._rejected(gateway, failure) from None
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
        changed = [each for each in wanted.manifests if self._has_changed(each, memory)]
        drifted = [each for each in wanted.manifests if each not in changed and self._has_drifted(each, memory, now)]
        rests = {each.ref: max(memory.repairs[each.ref].rest - now, 0.0) for each in drifted}
        await self._dry_run(changed)
        for each in wanted.manifests:
            if each in changed or rests.get(each.ref) == 0.0:
                live = self._inventory.get(each.ref)
                memory.applied[each.ref] = await self._applier.apply(each, live, repair=each in drifted)
                memory.observed.discard(each.ref)
            if rests.get(each.ref) == 0.0:
                self._note_repair(gateway, each.ref, memory.repairs[each.ref], now)
        await self._prune(gateway, wanted, memory)
        wait = min(filter(None, rests.values()), default=0.0)
        unobserved = any(self._inventory.get(each.ref) is None for each in wanted.manifests)
        return wait or (OBSERVE_SECONDS if unobserved else None)

    async def _is_orphaned(self, gateway: Ref) -> bool:
        """Return whether the objects of a Gateway that is not wanted are orphaned.

        A Gateway that this Headgate does not know may be in a namespace that another installation watches. So this
        lists it at the API server: an empty list proves that it does not exist, which a 404 would not.
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
                "Proxies of a Gateway that this Headgate does not watch are left unchanged: another installation may "
                "manage them. If none does, delete them; give each installation a --controller-name of its own",
                gateway=str(gateway),
            )
        return not items

    def _has_changed(self, manifest: Manifest, memory: _GatewayMemory) -> bool:
        known = memory.applied.get(manifest.ref)
        return known is None or known.body != manifest.body

    def _has_drifted(self, manifest: Manifest, memory: _GatewayMemory, now: float) -> bool:
        """Return whether the manifest's fields differ from those after the last apply."""
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
        log.info("Repaired an object that was changed or deleted", gateway=str(gateway), object=str(ref))

    async def _dry_run(self, manifests: Iterable[Manifest]) -> None:
        """Validate the manifests of existing objects at the API server, so that no change is applied partially.

        Manifests of new objects cannot be validated: they may depend on objects that are yet to be created.
        """
        for each in manifests:
            if self._inventory.get(each.ref) is not None:
                await self._applier.dry_run(each)

    async def _prune(self, gateway: Ref, wanted: ProxyManifests, memory: _GatewayMemory) -> None:
        """Delete objects that are not wanted; a workload of the other kind only once the new one is available."""
        keep = {each.ref for each in wanted.manifests}
        waiting = any(ref.kind in WORKLOADS and not self._available(ref) for ref in keep)
        for ref, live in list(self._inventory.of(gateway)):
            if ref in keep or (ref.kind in WORKLOADS and waiting):
                continue
            memory.applied.pop(ref, None)
            if await self._applier.delete(ref, live):
                log.info("Deleted an object that is no longer wanted", gateway=str(gateway), object=str(ref))

    def _available(self, ref: Ref) -> bool:
        live = self._inventory.get(ref)
        status = live.raw.get("status") or {} if live is not None else {}
        return bool(status.get("availableReplicas") or status.get("numberAvailable"))

    def _rejected(self, gateway: Ref, failure: ApplyError) -> Rejected:
        ref, error = failure.ref, failure.error
        if error is not None and is_namespace_gone(error):
            return Rejected()
        problem = conflicting_object(ref) if error is None else problem_of(ref, error)
        self._report_result(gateway, ApplyResult((problem,)))
        return Rejected(0.0 if error is None else error.retry_after)

    def _report_result(self, gateway: Ref, result: ApplyResult | None) -> None:
        if self._reported.get(gateway) == result:
            return
        if result is None:
            del self._reported[gateway]
        else:
            self._reported[gateway] = result
            log.warning(result.problems[0].message, gateway=str(gateway))
        self._report(gateway, result)


def _log_outage(gateway: Ref, error: ClusterError, seconds: float) -> None:
    log.warning(f"Deployment of proxies is paused: {error}", gateway=str(gateway), seconds=round(seconds, 1))


def _log_panic(gateway: Ref) -> None:
    log.exception("A bug in Headgate, please report it: proxies are not deployed", gateway=str(gateway))
