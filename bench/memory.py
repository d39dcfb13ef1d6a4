"""Memory of a controller: that of the process, and of each HTTPRoute from an API server's list to its resources."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import psutil

from bench import memory_by_kind
from bench.apiserver import serving, stored
from bench.world import Raw, edit, endpoint_slice, gateway, route, service

ROUTES, SERVICES = 5_000, 100


@dataclass(frozen=True)
class Route:
    """The bytes of one route: those of the object, and those derived from it, such as its status and resources."""

    read: float
    derived: float


@dataclass(frozen=True)
class Memory:
    """The measured memory, in bytes.

    Attributes:
        base: the unique memory of the process without objects.
        shared: the memory of libraries, which all such processes of a machine share.
        route: the memory of one route.
    """

    base: int
    shared: int
    route: Route


def routes(count: int) -> list[Raw]:
    """Return routes as an API server stores them, each with its own hostname."""
    return [stored(route(number, count, SERVICES), number) for number in range(count)]


async def load(url: str, count: int, used: Callable[[], int]) -> Route:
    """Read routes from an API server as the controller does, and evaluate them.

    Args:
        url: the URL of the API server.
        count: the number of routes.
        used: returns the bytes in use.
    """
    from headgate.controlplane.status_store import StatusStore
    from translator.inputs import Edit, Settings
    from translator.objects.gateway_api.httproute import HTTPRoute
    from translator.translator import Translator
    from watchers.diagnostics import DiagnosticSet
    from watchers.informers.informer import Informer
    from watchers.informers.observer import InformerObserver
    from watchers.informers.reflector import Reflector
    from watchers.kubernetes.client import ApiClient
    from watchers.kubernetes.kubeconfig import Access, Target
    from watchers.sources import SourceMux

    class Watching(InformerObserver):
        begun = asyncio.Event()

        def watching(self, kind: str) -> None:
            self.begun.set()

    translator = Translator(Settings(offline=True))
    statuses = StatusStore(translator.object)

    def evaluate() -> None:
        changes = translator.evaluate()
        assert not changes.failures, changes.failures
        statuses.update(changes.statuses)

    # Memory that does not depend on the number of routes is allocated before the measurement.
    warm = edit(route(count, count, SERVICES))
    others = [edit(make(number)) for number in range(SERVICES) for make in (service, endpoint_slice)]
    translator.edit([edit(gateway()), *others, warm])
    evaluate()
    translator.edit([Edit(warm.ref, None)])
    evaluate()
    async with ApiClient(Access(Target(), url=url)) as client:
        watching = Watching()
        objects = Informer(Reflector(client, HTTPRoute, observer=watching), DiagnosticSet(), manager="headgate")
        feed = SourceMux([objects])
        begun = used()
        following = asyncio.create_task(feed.run())
        translator.edit(await anext(feed))
        await watching.begun.wait()
        read = used()
        evaluate()
        derived = used()
        following.cancel()
        assert len(translator.statuses) == count + 1, "some routes have no status"
        assert len(objects.refs) == count
    return Route((read - begun) / count, (derived - read) / count)


def measure() -> Memory:
    """Measure in a separate process, which reads from an API server in this one."""

    async def serve() -> Memory:
        async with serving(routes(ROUTES)) as url:
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
                return await asyncio.get_running_loop().run_in_executor(pool, _measure, url)

    return asyncio.run(serve())


def _measure(url: str) -> Memory:
    import headgate.cli
    import headgate.cluster.controller  # noqa: F401

    gc.collect()
    found = psutil.Process().memory_full_info()
    return Memory(found.uss, found.rss - found.uss, asyncio.run(load(url, ROUTES, _used)))


def _used() -> int:
    gc.collect()
    return int(psutil.Process().memory_full_info().uss)


def report() -> list[str]:
    """Measure, and return the lines of the report."""
    found = measure()
    return [
        f"  without objects: {found.base / 1e6:.0f} MB, and {found.shared / 1e6:.0f} MB that processes share",
        f"  each of {ROUTES:,} HTTPRoutes: {found.route.read / 1000:.1f} KB for the object, and "
        f"{found.route.derived / 1000:.1f} KB derived from it",
        *memory_by_kind.report(),
    ]


if __name__ == "__main__":
    print("\n".join(report()))
