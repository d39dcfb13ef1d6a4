"""Instances of Amazon EC2 as endpoints: who asks AWS for them is elsewhere, what is found is an input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from translator.backends.guarded import address_fault
from translator.db import Db
from translator.ir.aws import FoundInstances, InlineKeys, Instance, InstanceQuery, Role
from translator.ir.backend import Backend, BackendEndpoint, BackendKey
from translator.objects.headgate.awsbackend import AwsEc2
from translator.outcome import Outcome, Problem
from translator.refs import Ref

PORT: Final = 80
"""The port of instances, if none is set."""
DISCOVERY_FAILED: Final = "DiscoveryFailed"
"""The reason while it is not known which instances there are, or some are left out."""


def query(found: AwsEc2, region: str, credentials: InlineKeys | Role | None) -> InstanceQuery:
    """Return what is asked of AWS; Backends that ask the same share the answer."""
    tags = {
        (each.key_value.key, each.key_value.value) if each.key_value else (each.key or "", None): None
        for each in found.filters
    }
    return InstanceQuery(region, tuple(tags), credentials)


def read(db: Db, ref: Ref, found: AwsEc2, asked: InstanceQuery) -> Outcome[Backend | None]:
    """Return the backend that instances are, and what is wrong: none are known, or some must not be connected to."""
    known = _known(db, asked)
    problems = []
    if known.error:
        more = "" if known.instances is not None else ": which instances there are is not known"
        problems.append(f"ec2{more}: {known.error}.")
    refused = next(_faults(db, found, known), "")
    if refused:
        problems.append(f"ec2: {refused}.")
    made = tuple(Problem("ResolvedRefs", DISCOVERY_FAILED, each) for each in problems)
    return Outcome(Backend(BackendKey(*ref), 0), made)


def endpoints(db: Db, found: AwsEc2, asked: InstanceQuery) -> tuple[BackendEndpoint, ...]:
    """Return the instances that may be connected to; one that comes or goes changes nothing else."""
    port = found.port or PORT
    made = {
        BackendEndpoint(address, port, each.zone): None
        for each in _known(db, asked).instances or ()
        if (address := _address(found, each)) and not address_fault(db.settings, address, port)
    }
    return tuple(made)


def _known(db: Db, asked: InstanceQuery) -> FoundInstances:
    known = db.instances(asked)  # first, so that it is known who asks for it
    if db.settings.offline:
        return FoundInstances(())
    return known if known is not None else FoundInstances(error="AWS is being asked")


def _faults(db: Db, found: AwsEc2, known: FoundInstances) -> Iterator[str]:
    """Yield why instances are left out."""
    for each in known.instances or ():
        address = _address(found, each)
        if address and (fault := address_fault(db.settings, address, found.port or PORT)):
            yield f"instance {each.id} is left out: {fault}"


def _address(found: AwsEc2, instance: Instance) -> str:
    return instance.public_ip if found.address_type == "PublicIP" else instance.private_ip
