"""Withdrawal removes our status, and changes nothing else."""

from typing import Any

import pytest

from watchers.informers.observed_status import wrote
from watchers.status.withdraw import withdrawn

OURS, OTHER = "gateway.headgate.dev/controller", "example.com/other"
BEFORE, NOW = "2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z"
Fields = dict[str, Any]


def condition(type_: str, status: str = "True", time: str = BEFORE) -> Fields:
    """Return a condition as the API server stores it."""
    return {"type": type_, "status": status, "reason": "R", "message": "m", "lastTransitionTime": time}


def fields(*types: str) -> Fields:
    """Return conditions in the form of `managedFields`."""
    leaves: Fields = {"f:status": {}, "f:reason": {}, "f:message": {}, "f:lastTransitionTime": {}}
    return {"f:conditions": {f'k:{{"type":"{each}"}}': leaves for each in types}}


def managed(by: str, written: Fields, **more: str) -> Fields:
    """Return the entry of `managedFields` for the fields that a manager wrote."""
    return {"manager": by, "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": written}, **more}


def gateway(status: Fields, *written: Fields) -> Fields:
    """Return a Gateway, whose spec others wrote."""
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


def test_fields_that_only_we_wrote_are_withdrawn() -> None:
    """A Gateway that nobody else wrote a status of has the conditions of a new one, with a message."""
    left = withdrawn(gateway(STATUS, managed(OURS, OUR_FIELDS)), OURS, NOW)
    assert left.keys() == {"conditions"}
    assert [each["type"] for each in left["conditions"]] == ["Accepted", "Programmed"]
    for each in left["conditions"]:
        assert (each["status"], each["reason"], each["observedGeneration"]) == ("Unknown", "Pending", 3)
        assert each["lastTransitionTime"] == NOW
        assert "GatewayClass is another controller's or was deleted" in each["message"]


def test_a_withdrawal_is_idempotent() -> None:
    """A withdrawal is idempotent, at any time."""
    once = withdrawn(gateway(STATUS, managed(OURS, OUR_FIELDS)), OURS, NOW)
    again = gateway(once, managed(OURS, fields("Accepted", "Programmed")))
    assert withdrawn(again, OURS, "2027-01-01T00:00:00Z") == once


def test_fields_of_another_controller_are_unchanged() -> None:
    """A condition that another manager wrote too is unchanged; then other fields are unchanged, too."""
    theirs = managed(OTHER, {"f:conditions": {'k:{"type":"Accepted"}': {"f:observedGeneration": {}}}})
    found = gateway(STATUS, managed(OURS, OUR_FIELDS), theirs)
    left = withdrawn(found, OURS, NOW)
    assert left["conditions"][0] is STATUS["conditions"][0]
    assert [each["status"] for each in left["conditions"]] == ["True", "Unknown"]
    assert (left["listeners"], left["addresses"]) == ([LISTENER], ADDRESSES)


def test_additions_of_others_to_our_status_stay() -> None:
    """The writer of a condition of a foreign type is not the Gateway's controller: ours are removed, theirs stays."""
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
def test_fields_that_we_did_not_write_are_unchanged(written: tuple[Fields, ...]) -> None:
    """A status that managedFields do not attribute to us is unchanged."""
    found = gateway(STATUS, *written)
    assert withdrawn(found, OURS, NOW) == STATUS
    assert not wrote(found["metadata"], OURS)


def test_our_fields_are_known_from_the_metadata() -> None:
    """Only our entries of managedFields for the status count, not those for other fields."""
    assert wrote(gateway(STATUS, managed(OURS, OUR_FIELDS))["metadata"], OURS)
    assert not wrote(gateway(STATUS)["metadata"], OURS)
    assert not wrote({}, OURS)
