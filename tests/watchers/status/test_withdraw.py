"""Withdrawal takes our status back, and touches nothing else."""

from typing import Any

import pytest

from watchers.informers.observed_status import wrote
from watchers.status.withdraw import withdrawn

OURS, OTHER = "gateway.headgate.dev/controller", "example.com/other"
BEFORE, NOW = "2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z"
Fields = dict[str, Any]


def condition(type_: str, status: str = "True", time: str = BEFORE) -> Fields:
    """Return a condition as the API server holds it."""
    return {"type": type_, "status": status, "reason": "R", "message": "m", "lastTransitionTime": time}


def fields(*types: str) -> Fields:
    """Conditions, as `managedFields` has them."""
    leaves: Fields = {"f:status": {}, "f:reason": {}, "f:message": {}, "f:lastTransitionTime": {}}
    return {"f:conditions": {f'k:{{"type":"{each}"}}': leaves for each in types}}


def managed(by: str, written: Fields, **more: str) -> Fields:
    """Return what somebody wrote of a status."""
    return {"manager": by, "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": written}, **more}


def gateway(status: Fields, *written: Fields) -> Fields:
    """Return a Gateway; others wrote its spec."""
    spec = {"manager": OURS, "operation": "Update", "fieldsV1": {"f:spec": {"f:listeners": {}}}}
    return {"metadata": {"generation": 3, "managedFields": [spec, *written]}, "status": status}


LISTENER = {"name": "http", "attachedRoutes": 2, "supportedKinds": [], "conditions": [condition("Accepted")]}
ADDRESSES = [{"type": "IPAddress", "value": "10.0.0.1"}]
STATUS = {
    "conditions": [condition("Accepted"), condition("Programmed"), condition("ResolvedRefs")],
    "listeners": [LISTENER],
    "addresses": ADDRESSES,
}
OUR_FIELDS = {
    **fields("Accepted", "Programmed", "ResolvedRefs"),
    "f:listeners": {".": {}, 'k:{"name":"http"}': {".": {}, "f:attachedRoutes": {}, **fields("Accepted")}},
    "f:addresses": {},
}


def test_what_we_alone_wrote_is_taken_back() -> None:
    """A Gateway about which nobody else said anything is as undecided as a new one, and says why."""
    left = withdrawn(gateway(STATUS, managed(OURS, OUR_FIELDS)), OURS, NOW)
    assert left.keys() == {"conditions"}
    assert [each["type"] for each in left["conditions"]] == ["Accepted", "Programmed"]
    for each in left["conditions"]:
        assert (each["status"], each["reason"], each["observedGeneration"]) == ("Unknown", "Pending", 3)
        assert each["lastTransitionTime"] == NOW
        assert "GatewayClass is another controller's or was deleted" in each["message"]


def test_what_is_taken_back_stays_so() -> None:
    """Once it is done there is nothing more to do, however late somebody looks."""
    once = withdrawn(gateway(STATUS, managed(OURS, OUR_FIELDS)), OURS, NOW)
    again = gateway(once, managed(OURS, fields("Accepted", "Programmed")))
    assert withdrawn(again, OURS, "2027-01-01T00:00:00Z") == once


def test_what_another_controller_has_written_stays() -> None:
    """A condition that somebody else had a hand in is theirs; of one who writes conditions the rest is left alone."""
    theirs = managed(OTHER, {"f:conditions": {'k:{"type":"Accepted"}': {"f:observedGeneration": {}}}})
    found = gateway(STATUS, managed(OURS, OUR_FIELDS), theirs)
    left = withdrawn(found, OURS, NOW)
    assert left["conditions"][0] is STATUS["conditions"][0]
    assert [each["status"] for each in left["conditions"]] == ["True", "Unknown"]
    assert (left["listeners"], left["addresses"]) == ([LISTENER], ADDRESSES)


def test_others_who_only_add_to_our_status_keep_what_they_added() -> None:
    """A condition of a foreign type does not make its writer the Gateway's controller: ours go, theirs stays."""
    audited, inside = condition("example.com/Audited"), condition("example.com/Seen")
    listener = {**LISTENER, "conditions": [*LISTENER["conditions"], inside]}  # type: ignore[misc]
    status = {**STATUS, "conditions": [audited, *STATUS["conditions"]], "listeners": [listener, {"name": "other"}]}
    seen = {"f:listeners": {'k:{"name":"http"}': fields("example.com/Seen")}}
    theirs = managed("auditor", {**fields("example.com/Audited"), **seen})
    left = withdrawn(gateway(status, managed(OURS, OUR_FIELDS), theirs), OURS, NOW)
    assert left["conditions"][0] == audited
    assert left["listeners"] == [{**listener, "conditions": [inside]}]
    assert "addresses" not in left


@pytest.mark.parametrize(
    "written",
    [(), (managed(OTHER, OUR_FIELDS),), (managed(f"{OURS}-two", OUR_FIELDS),)],
    ids=["none", "other", "alike"],
)
def test_what_we_did_not_write_stays(written: tuple[Fields, ...]) -> None:
    """Where the API server does not say that we wrote it, everything is as it was, and is not asked for again."""
    found = gateway(STATUS, *written)
    assert withdrawn(found, OURS, NOW) == STATUS
    assert not wrote(found["metadata"], OURS)


def test_our_words_are_known_from_the_metadata() -> None:
    """Only what we wrote of the status counts, not of the object."""
    assert wrote(gateway(STATUS, managed(OURS, OUR_FIELDS))["metadata"], OURS)
    assert not wrote(gateway(STATUS)["metadata"], OURS)
    assert not wrote({}, OURS)
