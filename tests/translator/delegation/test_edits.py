"""Trees of routes that are edited give what a new translator makes of their last state."""

from __future__ import annotations

from random import Random

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.translator.delegation.emitted import edits
from tests.translator.delegation.manifests import Manifest
from tests.translator.delegation.trees import Trees
from tests.translator.test_incremental import Follower, versions
from translator.inputs import Edit, Settings
from translator.refs import Ref
from translator.translator import Translator

STEPS = 6


def policy(target: Manifest) -> Manifest:
    """Return a policy for a route, which may be there before it or outlive it."""
    metadata = target["metadata"]
    reference = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": metadata["name"]}
    return {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "TrafficPolicy",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        "spec": {"targetRefs": [reference], "timeouts": {"request": "5s"}},
    }


def edited(trees: Trees, random: Random, known: dict[Ref, Edit]) -> list[Edit]:
    """Return a few edits: objects of another tree of the same names, policies for its routes, and deletions."""
    manifests = trees.world()
    policies = [policy(each) for each in manifests if each["kind"] == "HTTPRoute" and not random.randrange(4)]
    new = edits([*manifests, *policies])
    taken = [each for each in new if not known or not random.randrange(3)]
    deleted = [Edit(ref, None) for ref in known if ref.kind != "Gateway" and not random.randrange(8)]
    return [*taken, *deleted]


@settings(phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(seed=st.integers(0, 2**32))
def test_edits_give_what_a_new_translator_gives(seed: int) -> None:
    """Routes and statuses are those of the last state, in whatever order it came about."""
    trees, random = Trees(seed), Random(seed)
    translator, follower, known = Translator(Settings()), Follower(), dict[Ref, Edit]()
    for _ in range(STEPS):
        step = edited(trees, random, known)
        known |= {each.ref: each for each in step}
        translator.edit(step)
        follower.follow(translator.evaluate())
        follower.check(translator)
    last = [each for each in known.values() if each.object is not None]
    random.shuffle(last)
    new = Translator(Settings())
    new.edit(last)
    assert not new.evaluate().failures
    assert versions(translator.snapshots.items()) == versions(new.snapshots.items()), seed
    assert dict(translator.statuses) == dict(new.statuses), seed
