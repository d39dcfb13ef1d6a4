"""Providers: what GatewayExtensions say once for the policies that refer to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

from translator.backends.reference import backend_of_policy
from translator.db import Db
from translator.engine.query import query
from translator.envoy.grpc_service import CallRetry, GrpcCall
from translator.gateway.secrets import referenced_secret
from translator.ir.backend import Backend, Protocol
from translator.ir.secret import GenericSecret
from translator.objects.gateway_api.references import BackendObjectReference
from translator.objects.headgate.gatewayextension import GatewayExtension, GatewayExtensionSpec
from translator.objects.headgate.references import ExtensionReference, SecretReference
from translator.objects.headgate.services import GrpcService, ServiceRetry
from translator.objects.schema.base import Fields
from translator.outcome import Outcome, Problem, not_resolved
from translator.permissions.reference_grants import grant_for, not_permitted
from translator.refs import Ref

NOT_FOUND: Final = "ExtensionNotFound"
"""The reason of a reference to a GatewayExtension that does not exist, or is for something else."""


@dataclass(frozen=True, slots=True)
class ProviderContext:
    """The context in which a member of a GatewayExtension is read, or the same inline in a policy.

    Attributes:
        owner: the object that says it: grants are those of its kind, and what it refers to is in its namespace.
        field: the path of the member in it, such as ``spec.extAuth``, for messages.
        value: the member.
    """

    db: Db
    owner: Ref
    field: str
    value: Fields

    def backend(self, reference: BackendObjectReference, field: str, *, grpc: bool = False) -> Outcome[Backend | None]:
        """Return the backend that a reference names, whose path below the member is `field`."""
        protocol = Protocol.H2C if grpc else Protocol.HTTP1
        return backend_of_policy(self.db, self.owner, reference, f"{self.field}.{field}", protocol)

    def grpc(self, service: GrpcService, field: str, timeout: int = 0) -> Outcome[GrpcCall | None]:
        """Return how a service is called that the member names at `field`; `timeout` where it says none."""
        found = self.backend(service.backend_ref, f"{field}.backendRef", grpc=True)
        if found.value is None:
            return Outcome(None, found.problems)
        retry = call_retry(service.retry)
        call = GrpcCall(found.value, service.authority or "", service.request_timeout or timeout, retry)
        return Outcome(call, found.problems)

    def secret(self, reference: SecretReference, key: str, field: str) -> Outcome[GenericSecret | None]:
        """Return the secret text that a reference names, at `key` unless it says another."""
        return referenced_secret(self.db, self.owner, reference, key, f"{self.field}.{field}")

    def invalid(self, field: str, text: str) -> Outcome[None]:
        """Return that the value at `field` below the member cannot be used, and the way out."""
        return Outcome(None, (Problem("Accepted", "Invalid", f"{self.field}.{field}: {text}"),))


def call_retry(found: ServiceRetry | None) -> CallRetry | None:
    """Return how often a call is made again."""
    if found is None:
        return None
    return CallRetry(found.attempts, found.backoff_base_interval or 0, found.backoff_max_interval or 0)


@dataclass(frozen=True, slots=True)
class ProviderKind:
    """A member of GatewayExtensions.

    Attributes:
        member: its name in the model, such as ``ext_auth``.
        read: returns what policies make of it, a frozen value; None if it cannot be used: they are closed then.
        alone: returns the settings that such a value is as a filter of a listener, where no policy says more: those
            that give filters in slots. None for a member that is no filter by itself.
    """

    member: str
    read: Callable[[ProviderContext], Outcome[Any]]
    alone: Callable[[Any], Any] | None = None


@query
def provider(db: Db, ref: Ref) -> Outcome[Any]:
    """Return what a GatewayExtension provides; None with the problems if it cannot be used."""
    found = db.get(GatewayExtension, ref)
    if found is None:
        return Outcome(None)
    kind = cast(ProviderKind, db.registry.providers[found.spec.member])
    field = f"spec.{_written(found.spec.member)}"
    return kind.read(ProviderContext(db, ref, field, getattr(found.spec, found.spec.member)))


def named_extension(db: Db, owner: Ref, reference: ExtensionReference) -> GatewayExtensionSpec | None:
    """Return what the GatewayExtension says that an object names, usable or not; None if there is none."""
    found = db.get(GatewayExtension, Ref(GatewayExtension.kind, reference.namespace or owner.namespace, reference.name))
    return None if found is None else found.spec


def provider_of(db: Db, owner: Ref, reference: ExtensionReference, member: str, field: str) -> Outcome[Any]:
    """Return what the GatewayExtension provides that an object refers to; None with the problems if that is nothing.

    Args:
        db: the database.
        owner: the object, from whose kind a ReferenceGrant has to permit an extension of another namespace.
        reference: the reference.
        member: the member that it must have, by its name in the model.
        field: the path of the reference, for messages.
    """
    ref = Ref(GatewayExtension.kind, reference.namespace or owner.namespace, reference.name)
    if problem := not_permitted(db, *grant_for(db, owner, ref), field):
        return Outcome(None, (problem,))
    found = db.get(GatewayExtension, ref)
    if found is None:
        if reason := db.invalid_reason(ref):
            return not_resolved(NOT_FOUND, f"{field}: {ref} is not valid, and never was: {reason}.")
        return not_resolved(NOT_FOUND, f"{field}: {ref} does not exist; create it or correct the reference.")
    if found.spec.member != member:
        text = f"{field}: {ref} has {_written(found.spec.member)}, and {_written(member)} is needed; refer to another."
        return not_resolved(NOT_FOUND, text)
    read = provider(db, ref)
    if read.value is not None:
        return Outcome(read.value)
    reasons = " ".join(each.message for each in read.problems)
    return Outcome(None, (Problem("ResolvedRefs", read.problems[0].reason, f"{field}: {ref}: {reasons}"),))


def _written(member: str) -> str:
    return GatewayExtensionSpec.model_fields[member].alias or member
