"""A cluster as sources for a `SourceMux`: the objects of all kinds in the watched namespaces."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from translator.objects.kubernetes.core import Namespace
from translator.objects.kubernetes.workloads import Pod
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref
from translator.registry import KINDS
from watchers.diagnostics import Diagnostic, DiagnosticSet, Report
from watchers.informers.informer import Informer, ObservedObject
from watchers.informers.namespace_selector import NamespaceSelector
from watchers.informers.observed_status import ObservedStatus, field_manager
from watchers.informers.observer import InformerObserver
from watchers.informers.on_demand import Fetcher, OnDemandInformer
from watchers.informers.reflector import Reflector, Scope
from watchers.informers.selected_pods import SelectedPods
from watchers.kubernetes.client import ApiClient
from watchers.sources import Source


@dataclass(frozen=True, slots=True)
class WatchConfig:
    """Configuration of the watches.

    Attributes:
        kinds: the kinds of objects.
        statuses: the names of the kinds whose statuses are stored, for `ClusterSource.observed`.
        controller: the name of the controller that writes the statuses.
        labels: by the name of a kind, a label selector for its objects that replaces the kind's own.
        namespaces: the names of the namespaces to watch; empty for all.
        namespace_labels: a label selector for the namespaces to watch; "" for all. Not with `namespaces`.
    """

    kinds: tuple[type[KubernetesObject], ...] = tuple(KINDS.values())
    statuses: frozenset[str] = frozenset()
    controller: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    namespaces: tuple[str, ...] = ()
    namespace_labels: str = ""

    def __post_init__(self) -> None:
        if self.namespaces and self.namespace_labels:
            raise ValueError("namespaces to watch are chosen by their names or by their labels, not by both")


class ClusterSource:
    """The objects of a cluster.

    Cluster-scoped objects are always watched. Namespaces selected by name are watched one by one, so that a Role in
    each is enough; for those selected by labels, all namespaces are watched, which needs a ClusterRole.

    Give `sources` and `unsynced_namespaces` to a `SourceMux`; after each evaluation, pass the objects on which it
    depends to `set_referenced`.

    Args:
        client: the client of the API server.
        config: the configuration of the watches.
        report: called with new and resolved diagnostics.
        observer: observes lists, watches and errors.
    """

    def __init__(
        self,
        client: ApiClient,
        config: WatchConfig | None = None,
        report: Report | None = None,
        observer: InformerObserver | None = None,
    ) -> None:
        self._client = client
        self._config = config or WatchConfig()
        self._observer = observer or InformerObserver()
        self._diagnostics = DiagnosticSet(report)
        self._sources: list[Source] = []
        self._status_handlers: list[Callable[[Iterable[Ref]], None]] = []
        self._informers: dict[tuple[str, str], Informer] = {}
        self._on_demand: dict[tuple[str, str], OnDemandInformer] = {}
        self._namespace_selector = self._make_namespace_selector()
        for model in self._config.kinds:
            for namespace in self._config.namespaces if model.namespaced and self._config.namespaces else ("",):
                self._follow(model, namespace)
        self._pods = SelectedPods(self._selected, self._diagnostics)
        if Pod in self._config.kinds:
            self._sources.append(self._pods)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources for a `SourceMux`."""
        return tuple(self._sources)

    @property
    def unsynced_namespaces(self) -> Collection[str]:
        """The names of namespaces that were selected or deselected and are not synced yet for every kind; a live view.

        Give it to the `SourceMux`, which holds their edits back until they are synced.
        """
        return self._namespace_selector.unsynced if self._namespace_selector else ()

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """The current diagnostics."""
        return self._diagnostics.diagnostics

    @property
    def not_installed(self) -> tuple[str, ...]:
        """The names of the kinds that the API server does not serve."""
        reflectors = [each.reflector for each in self._informers.values()]
        reflectors += [each.reflector for each in self._on_demand.values()]
        return tuple(dict.fromkeys(each.model.kind for each in reflectors if each.not_installed))

    def add_status_handler(self, handler: Callable[[Iterable[Ref]], None]) -> None:
        """Add a handler to call with the objects of which only the status has changed: they yield no edit."""
        self._status_handlers.append(handler)

    def _status_changed(self, refs: Iterable[Ref]) -> None:
        for handler in self._status_handlers:
            handler(refs)

    def observed(self, ref: Ref) -> ObservedObject | None:
        """Return an object's status and version; None if it does not exist, or its kind's statuses are not stored."""
        objects = _of(self._informers, ref)
        return objects.observed(ref) if objects else None

    def observed_status(self, ref: Ref) -> ObservedStatus | None:
        """Return the state of an object that a `StatusWriter` needs; None as for `observed`."""
        objects = _of(self._informers, ref)
        found = objects.observed(ref) if objects else None
        if objects is None or found is None:
            return None
        version = objects.reflector.version or objects.reflector.model.versions[0]
        return ObservedStatus(found.resource_version, found.generation, found.status or {}, version, found.written)

    def observed_refs(self) -> Iterator[Ref]:
        """Yield the objects whose status is stored."""
        for each in self._informers.values():
            yield from each.refs

    def set_referenced(self, kind: type[KubernetesObject], refs: Iterable[Ref]) -> frozenset[Ref]:
        """Set the referenced objects of an on-demand kind; cheap if they have not changed.

        Returns:
            Those that are known not to exist. The others have been yielded, or will be.
        """
        refs = frozenset(refs)
        parts = {namespace: each for (name, namespace), each in self._on_demand.items() if name == kind.kind}
        found = (
            part.set_referenced(frozenset(ref for ref in refs if namespace in ("", ref.namespace)))
            for namespace, part in parts.items()
        )
        unwatched = frozenset(ref for ref in refs if not {"", ref.namespace} & parts.keys())
        return unwatched.union(*found)

    def set_pod_selections(self, selections: Iterable[Ref]) -> None:
        """Set the selections of pods to follow beside the proxies (`PodSelection`); cheap if they have not changed."""
        self._pods.set_selections(frozenset(selections))

    def _selected(self, model: type[Pod], scope: Scope) -> Reflector:
        return Reflector(self._client, model, scope, None, self._observer, self._diagnostics)

    def _make_namespace_selector(self) -> NamespaceSelector | None:
        labels = self._config.namespace_labels
        if not labels:
            return None
        scope = Scope(labels=labels, metadata=True)
        selection = NamespaceSelector(
            Reflector(self._client, Namespace, scope, None, self._observer, self._diagnostics)
        )
        self._sources.append(selection)
        return selection

    def _follow(self, model: type[KubernetesObject], namespace: str) -> None:
        on_demand = model.on_demand
        scope = Scope(
            namespace, self._config.labels.get(model.kind, model.selector), metadata=on_demand or model.metadata_only
        )
        selection = self._namespace_selector if model.namespaced else None
        reflector = Reflector(self._client, model, scope, selection, self._observer, self._diagnostics)
        if on_demand:
            part = self._on_demand[model.kind, namespace] = OnDemandInformer(reflector)
            self._sources += [part, Fetcher(part, self._client, self._observer, self._diagnostics)]
        else:
            manager = field_manager(self._config.controller) if model.kind in self._config.statuses else None
            objects = Informer(reflector, self._diagnostics, manager, self._status_changed)
            self._informers[model.kind, namespace] = objects
            self._sources.append(objects)


def _of(parts: Mapping[tuple[str, str], Informer], ref: Ref) -> Informer | None:
    return parts.get((ref.kind, "")) or parts.get((ref.kind, ref.namespace))
