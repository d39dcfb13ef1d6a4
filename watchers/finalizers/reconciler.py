"""The controller that sets and removes the finalizer of GatewayClasses (Gateway API, `GatewayClass`).

The finalizer is on a class while Gateways use it, so that the class is not deleted meanwhile. ADR 19 says why it is not
set unless that is asked for. It is removed from a class that no Gateway uses, and from all if it is not asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import structlog

from translator.objects.gateway_api.gatewayclass import GatewayClass
from translator.refs import Ref
from watchers.controllers.reconciler import Blocked, NotLeader, Reconciler, Rejected, Result
from watchers.kubernetes.client import MERGE_PATCH, Api
from watchers.kubernetes.errors import ApiError, ClusterError
from watchers.kubernetes.paths import item

log = structlog.stdlib.get_logger("headgate.finalizers")

FINALIZER: Final = "gateway-exists-finalizer.gateway.networking.k8s.io"
"""The finalizer of a GatewayClass that is used (`GatewayClassFinalizerGatewaysExist`)."""
UNCHANGED: Final = Result(succeeded=False)
"""The result without a write; the class is not requeued."""


class FinalizerReconciler:
    """Reconciles the finalizer of each GatewayClass, while `run` runs.

    A write is a JSON merge patch of the list with the observed resourceVersion, so that it undoes nothing of others.

    Args:
        api: the client of the API server.
        in_use: whether Gateways use a class, for each class of this controller.
        enabled: whether classes that are used get the finalizer.
        may_write: called before each write; False once the lease is lost, so that no late write is sent.
    """

    def __init__(
        self, api: Api, in_use: Mapping[Ref, bool], *, enabled: bool, may_write: Callable[[], bool] = lambda: True
    ) -> None:
        self._api = api
        self._in_use = in_use
        self._enabled = enabled
        self._may_write = may_write
        self._reconciler = Reconciler(
            1, self._reconcile, _log_outage, _log_panic, on_blocked=_log_blocked, pauses_all=True
        )

    def enqueue(self, refs: Iterable[Ref]) -> None:
        """Enqueue classes that changed, or whose use changed; objects of other kinds are left out."""
        self._reconciler.enqueue(each for each in refs if each.kind == GatewayClass.kind)

    async def run(self) -> None:
        """Reconcile all classes, then those that are enqueued, until cancelled."""
        await self._reconciler.run(list(self._in_use))

    async def _reconcile(self, ref: Ref) -> Result:
        """Set or remove the finalizer of a class, if that is to be done."""
        if ref not in self._in_use:
            return UNCHANGED
        try:
            found = await self._api.request("GET", _path(ref))
            finalizers = _wanted(found["metadata"], used=self._enabled and self._in_use.get(ref, False))
            if finalizers is None:
                return UNCHANGED
            if not self._may_write():
                raise NotLeader
            metadata = {"resourceVersion": found["metadata"]["resourceVersion"], "finalizers": finalizers}
            await self._api.request("PATCH", _path(ref), body={"metadata": metadata}, content_type=MERGE_PATCH)
        except ApiError as error:
            return _failed(error)
        log.info(
            f"{ref} {'is in use and has' if FINALIZER in finalizers else 'no longer has'} the finalizer {FINALIZER}"
        )
        return Result()


def _wanted(metadata: Mapping[str, Any], *, used: bool) -> list[str] | None:
    """Return the finalizers that a class is to have; None for those that it has, or can get."""
    found = metadata.get("finalizers") or []
    if used == (FINALIZER in found) or (used and "deletionTimestamp" in metadata):
        return None  # no finalizer can be added to an object that is being deleted
    return [*found, FINALIZER] if used else [each for each in found if each != FINALIZER]


def _failed(error: ApiError) -> Result:
    """Return the result of a failed request, or raise the exception that tells its scope."""
    if error.status == 404:
        return UNCHANGED
    if error.status == 403 and " cannot " in error.message:
        text = "may not patch gatewayclasses: grant the verbs get and patch on them, as the ClusterRole in deploy/ does"
        raise Blocked(f"{text}; until then the finalizer {FINALIZER} stays as it is", error) from None
    if error.status in (429, 503):
        raise error
    raise Rejected(error.retry_after) from None


def _path(ref: Ref) -> str:
    return item(GatewayClass, GatewayClass.versions[0], ref)


def _log_outage(_: Ref, error: ClusterError, seconds: float) -> None:
    log.warning(f"Writes of finalizers are paused: {error}", seconds=round(seconds, 1))


def _log_blocked(blocked: Blocked) -> None:
    log.error(blocked.message, answer=blocked.error.message)


def _log_panic(ref: Ref) -> None:
    log.exception("A bug in Headgate, please report it: the finalizer of a class is not written", ref=str(ref))
