"""Writes of single objects to the API server: server-side apply of manifests, and deletes.

Manifests are applied with one field manager and `force`, so that Headgate owns exactly their fields.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Protocol

from translator.infrastructure.manifest import DEPLOYED_KINDS, Manifest
from translator.infrastructure.names import CONTROLLER, MANAGED_BY, MANAGER, label_value
from translator.objects.kubernetes.workloads import Deployment
from translator.refs import Ref
from watchers.controllers.reconciler import NotLeader
from watchers.kubernetes.client import SERVER_SIDE_APPLY, Api, Query
from watchers.kubernetes.errors import ApiError
from watchers.kubernetes.paths import item
from watchers.proxies.api_errors import is_transient
from watchers.proxies.inventory import Live
from watchers.proxies.owned_fields import owned_fields

SECONDS: Final = 35.0
"""The timeout of a request: webhooks may take up to 30 s, and the API server's error about one is to be reported."""
SCALER: Final = "headgate-replicas"
"""The field manager of `replicas` between its release by Headgate and the next scaling."""
OUTCOMES: Final[Mapping[int, str]] = {404: "gone", 409: "conflict"}


class ApplyObserver(Protocol):
    """Receives the outcome of each write, for metrics."""

    def deployed(self, kind: str, outcome: str, seconds: float) -> None:
        """Note the outcome of a write: created, changed, repaired, deleted, refused, gone, conflict or failed."""
        ...


class Applied(NamedTuple):
    """The result of an apply.

    Attributes:
        body: the manifest.
        fields: the fields of the manifest, as the API server stored them.
        version: the object's resourceVersion.
        time: the time of the apply, of `time.monotonic`.
    """

    body: Mapping[str, Any]
    fields: Any
    version: str
    time: float


class ApplyError(Exception):
    """The API server does not accept an object.

    Attributes:
        ref: the object.
        error: the API server's error; None if an object of that name exists that is not Headgate's.
    """

    def __init__(self, ref: Ref, error: ApiError | None = None) -> None:
        super().__init__(str(ref))
        self.ref = ref
        self.error = error

    @property
    def status(self) -> int:
        """The HTTP status code, 0 if there is none."""
        return 0 if self.error is None else self.error.status


class Applier:
    """Applies and deletes single objects.

    All methods may raise `ApplyError`, `NotLeader`, and a transient `ClusterError`.

    Args:
        api: the client of the API server.
        controller: the name of the controller, whose label marks its objects.
        may_write: called before each write; False once the lease is lost, so that no late write is sent.
        observer: receives the outcomes of writes.
    """

    def __init__(
        self, api: Api, controller: str, may_write: Callable[[], bool], observer: ApplyObserver | None
    ) -> None:
        self._api = api
        self._labels = {MANAGED_BY: MANAGER, CONTROLLER: label_value(controller)}
        self._may_write = may_write
        self._observer = observer

    async def dry_run(self, manifest: Manifest) -> None:
        """Validate a manifest of an existing object at the API server, without a change."""
        with self._counted(manifest.ref, ""):
            await self._patch(manifest.ref, manifest.body, {"dryRun": "All"})

    async def apply(self, manifest: Manifest, live: Live | None, repair: bool = False) -> Applied:
        """Apply a manifest server-side.

        Args:
            manifest: the manifest of the object.
            live: the observed object, None if there is none.
            repair: whether another client changed the object after the last apply.
        """
        with self._counted(manifest.ref, "repaired" if repair else "created" if live is None else "changed"):
            if live is None:
                await self._check_ownership(manifest.ref)
            elif manifest.ref.kind == Deployment.kind and "replicas" not in manifest.body["spec"]:
                await self._release_replicas(manifest)
            stored = await self._patch(manifest.ref, manifest.body)
        fields = owned_fields(stored, manifest.body)
        return Applied(manifest.body, fields, stored["metadata"]["resourceVersion"], time.monotonic())

    async def delete(self, ref: Ref, live: Live) -> bool:
        """Delete an object; return whether it still existed."""
        options = {"propagationPolicy": "Background", "preconditions": {"uid": live.uid}}
        try:
            with self._counted(ref, "deleted"):
                await self._request("DELETE", ref, body=options)
        except (ApplyError, ApiError) as error:
            if error.status not in (404, 409):  # already deleted, or created again with another uid
                raise
            return False
        return True

    async def _check_ownership(self, ref: Ref) -> None:
        """Raise ApplyError if an object of that name exists that is not Headgate's: an apply would take it over."""
        found = await self._find(ref)
        if found is None:
            return
        labels = found["metadata"].get("labels") or {}
        if any(labels.get(name) != value for name, value in self._labels.items()):
            raise ApplyError(ref)

    async def _release_replicas(self, manifest: Manifest) -> None:
        """Hand `replicas` over to another field manager, if Headgate owns it, so that its value does not change.

        When its only manager drops the field, the API server resets it to the default: one replica, until an autoscaler
        acts. `SCALER` owns it from then on, until an autoscaler or a user scales.
        """
        found = await self._find(manifest.ref)
        if found is None or not any(map(_manages_replicas, found["metadata"].get("managedFields") or ())):
            return
        body = {
            **{name: manifest.body[name] for name in ("apiVersion", "kind")},
            "metadata": {name: manifest.body["metadata"][name] for name in ("name", "namespace")},
            "spec": {"replicas": found["spec"]["replicas"]},
        }
        await self._patch(manifest.ref, body, {"fieldManager": SCALER})

    async def _find(self, ref: Ref) -> Any:
        """Read an object; return None if it does not exist."""
        try:
            return await self._request("GET", ref)
        except ApplyError as error:
            if error.status == 404:
                return None
            raise

    async def _patch(self, ref: Ref, body: Mapping[str, Any], more: Query | None = None) -> Any:
        query = {"fieldManager": MANAGER, "force": "true", **(more or {})}
        return await self._request("PATCH", ref, query=query, body=body, content_type=SERVER_SIDE_APPLY)

    async def _request(self, method: str, ref: Ref, **options: Any) -> Any:
        if method != "GET" and not self._may_write():
            raise NotLeader
        model = DEPLOYED_KINDS[ref.kind]
        try:
            return await self._api.request(method, item(model, model.versions[0], ref), seconds=SECONDS, **options)
        except ApiError as error:
            raise (error if is_transient(error) else ApplyError(ref, error)) from None

    @contextmanager
    def _counted(self, ref: Ref, done: str) -> Iterator[None]:
        """Report the outcome of a write to the observer: `done` if it succeeds."""
        begun, outcome = time.perf_counter(), "failed"
        try:
            yield
            outcome = done
        except ApplyError as failure:
            outcome = OUTCOMES.get(failure.status, "refused")
            raise
        except ApiError as error:
            outcome = OUTCOMES.get(error.status, "failed")
            raise
        except NotLeader:
            outcome = ""
            raise
        finally:
            if self._observer is not None and outcome:
                self._observer.deployed(ref.kind, outcome, time.perf_counter() - begun)


def _manages_replicas(entry: Mapping[str, Any]) -> bool:
    """Return whether an entry of `metadata.managedFields` says that Headgate applies `replicas`."""
    applies = (entry.get("manager"), entry.get("operation")) == (MANAGER, "Apply")
    return applies and "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
