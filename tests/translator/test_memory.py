"""Memory: what objects share, and what changes leave behind."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator

from bench.world import Raw, edit, endpoint_slice, gateway, parsed, removal, route, service, world
from translator.inputs import Edit, Settings
from translator.objects.gateway_api.httproute import HTTPRoute
from translator.objects.kubernetes.service import Service
from translator.translator import Translator

COUNT = 20


def changes(cycle: int) -> Iterator[list[Edit]]:
    """Yield batches that edit, add and delete objects, and leave those that were there before."""
    yield [edit(route(each, COUNT, COUNT, path=f"/cycle-{cycle}")) for each in range(COUNT)]
    yield [edit(endpoint_slice(each, address=f"10.1.{cycle}.{each}")) for each in range(COUNT)]
    added = [make(COUNT + each) for each in range(COUNT) for make in (service, endpoint_slice)]
    added += [route(COUNT + each, 2 * COUNT, 2 * COUNT) for each in range(COUNT)]
    yield [edit(each) for each in added]
    yield [removal(each) for each in added]
    yield [removal(gateway())]
    yield [edit(gateway())]
    yield [removal(service(each)) for each in range(COUNT)]
    yield [edit(service(each)) for each in range(COUNT)]


def live() -> Counter[str]:
    """Return the number of live objects of Headgate's own classes, by class."""
    gc.collect()
    own = ("translator.", "xds.")
    types = (type(each) for each in gc.get_objects())
    return Counter(f"{each.__module__}.{each.__qualname__}" for each in types if str(each.__module__).startswith(own))


def test_changes_leave_nothing_behind() -> None:
    """After edits, additions and deletions there are as many memos and objects of each class as before them."""
    translator = Translator(Settings(offline=True))
    translator.edit(list(world(COUNT, COUNT, COUNT)))
    assert not translator.evaluate().failures
    found: list[tuple[int, Counter[str]]] = []
    for cycle in range(4):
        for each in changes(cycle):
            translator.edit(each)
            assert not translator.evaluate().failures
        found.append((translator.memos, live()))
    # Caches of names are full after the first cycle.
    (memos, objects), *later = found[1:]
    for more, others in later:
        assert more == memos
        assert others - objects == Counter()


def memos(count: int) -> int:
    """Return the number of memos with so many routes, Services and slices."""
    translator = Translator(Settings(offline=True))
    translator.edit(list(world(count, count, count)))
    translator.evaluate()
    return translator.memos


def test_an_object_has_few_memos() -> None:
    """A route with a Service and its slice has 25 memos, and those of the parts of namespaces that policies are in."""
    assert memos(1500) - memos(1000) <= 500 * 25 + 100


def test_slices_with_domain_names_are_told_whenever_they_come() -> None:
    """No Service looks for slices with domain names while its namespace has none, and each tells of its own later."""
    translator = Translator(Settings(offline=True))
    translator.edit(list(world(2, 2, 2)))
    translator.evaluate()
    named = endpoint_slice(1, address="db.example.com") | {"addressType": "FQDN"}
    named["metadata"]["name"] = "named"
    before = dict(translator.statuses)
    translator.edit([edit(named)])
    assert [ref.name for ref in translator.evaluate().statuses] == ["route-1"]
    translator.edit([removal(named)])
    assert [ref.name for ref in translator.evaluate().statuses] == ["route-1"]
    assert dict(translator.statuses) == before


def applied(raw: Raw, by: str) -> Raw:
    """Return an object with the annotation that `kubectl apply` writes."""
    raw["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": by}
    return raw


def test_what_kubectl_notes_of_an_object_is_not_kept() -> None:
    """The copy of an object that `kubectl apply` leaves in an annotation is not kept, and a change of it is none."""
    noted = parsed(applied(service(1), '{"kind": "Service"}'))
    assert noted.metadata.annotations == {}
    assert noted == parsed(service(1))


def test_objects_share_equal_parts() -> None:
    """Parents, ports and the absence of labels are the same values in all objects that have them alike."""
    one, other = parsed(route(1, 2, 2)), parsed(route(2, 2, 2))
    assert isinstance(one, HTTPRoute)
    assert isinstance(other, HTTPRoute)
    assert one.spec.parent_refs is other.spec.parent_refs
    assert one.metadata.labels is other.metadata.annotations
    first, second = parsed(service(1)), parsed(service(2))
    assert isinstance(first, Service)
    assert isinstance(second, Service)
    assert first.spec.ports is second.spec.ports
