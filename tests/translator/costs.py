"""What an edit costs and changes at a Gateway with 10,000 routes, and how it is undone."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager

from bench.world import Raw, gateway, manifest
from tests.certificates import key_pair
from translator.inputs import Edit
from translator.refs import Ref
from translator.translator import Changes, Translator
from xds.resources.snapshot import diff

ROUTES, HOSTS, SERVICES = 10_000, 100, 1_000
GATEWAY = Ref("Gateway", "shop", "web")
Changed = dict[str, frozenset[str]]


def secret(pair: str) -> Raw:
    """Return the Secret of the Gateway's HTTPS listener, with a certificate of that name."""
    data = dict(zip(("tls.crt", "tls.key"), key_pair(pair), strict=True))
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return manifest("v1", "Secret", "certificate", type="kubernetes.io/tls", data=encoded)


def https_gateway() -> Raw:
    """Return the Gateway with an HTTPS listener beside, to which the hosts of no route belong."""
    made = gateway(hostname="*.example.com")
    tls = {"certificateRefs": [{"name": "certificate"}]}
    listener = {"name": "https", "port": 10443, "protocol": "HTTPS", "hostname": "*.test", "tls": tls}
    made["spec"]["listeners"].append(listener)
    return made


class Cost:
    """The cost and the changes of an evaluation."""

    def __init__(self, runs: int, changes: Changes, resources: Changed) -> None:
        self.runs, self.changes, self.resources = runs, changes, resources

    @property
    def statuses(self) -> list[str]:
        """The objects whose status changed."""
        return sorted(map(str, self.changes.statuses))


def cost(translator: Translator, *edits: Edit, gateway: Ref = GATEWAY) -> Cost:
    """Make edits and count."""
    before, runs = translator.snapshots[gateway], sum(translator.executions.values())
    translator.edit(edits)
    changes = translator.evaluate()
    assert changes.failures == []
    return Cost(sum(translator.executions.values()) - runs, changes, diff(before, translator.snapshots[gateway]))


@contextmanager
def put_back(translator: Translator, *edits: Edit) -> Iterator[None]:
    """Undo what a test did, whatever became of it."""
    try:
        yield
    finally:
        translator.edit(edits)
        translator.evaluate()
