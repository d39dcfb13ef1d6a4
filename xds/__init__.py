"""An xDS management server as a library; these names are its API, and its modules are not.

    from xds import Resource, Server, Snapshot

A name's module is imported when the name is first used: `Snapshot` loads no gRPC.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xds.protocol.client_state import ClientResource as ClientResource
    from xds.protocol.client_state import Uncertain as Uncertain
    from xds.protocol.client_state import VersionOnly as VersionOnly
    from xds.protocol.nacks import Nack as Nack
    from xds.protocol.nacks import NackGroup as NackGroup
    from xds.protocol.nacks import NackState as NackState
    from xds.protocol.ordering import Timeouts as Timeouts
    from xds.protocol.session import Ack as Ack
    from xds.protocol.session import Request as Request
    from xds.protocol.session import Response as Response
    from xds.protocol.wire import encode_field as encode_field
    from xds.resources.fingerprint import FINGERPRINTS as FINGERPRINTS
    from xds.resources.resource import Reference as Reference
    from xds.resources.resource import Resource as Resource
    from xds.resources.snapshot import Snapshot as Snapshot
    from xds.resources.snapshot import diff as diff
    from xds.resources.types import CLUSTER as CLUSTER
    from xds.resources.types import ENDPOINT as ENDPOINT
    from xds.resources.types import EXTENSION_CONFIG as EXTENSION_CONFIG
    from xds.resources.types import LISTENER as LISTENER
    from xds.resources.types import LOCALITY_ENDPOINT as LOCALITY_ENDPOINT
    from xds.resources.types import ROUTE as ROUTE
    from xds.resources.types import RUNTIME as RUNTIME
    from xds.resources.types import SCOPED_ROUTE as SCOPED_ROUTE
    from xds.resources.types import SECRET as SECRET
    from xds.resources.types import TYPES as TYPES
    from xds.resources.types import VIRTUAL_HOST as VIRTUAL_HOST
    from xds.resources.types import ResourceType as ResourceType
    from xds.server.fault_log import FaultLog as FaultLog
    from xds.server.groups import SyncStatus as SyncStatus
    from xds.server.limits import Limits as Limits
    from xds.server.observer import Client as Client
    from xds.server.observer import Observer as Observer
    from xds.server.observer import Observers as Observers
    from xds.server.observer import TypeState as TypeState
    from xds.server.server import Peer as Peer
    from xds.server.server import Server as Server
    from xds.server.stream import StreamRejected as StreamRejected
    from xds.validation.validate import Violation as Violation
    from xds.validation.validate import check as check

_NAMES = {
    "protocol.client_state": "ClientResource Uncertain VersionOnly",
    "protocol.nacks": "Nack NackGroup NackState",
    "protocol.ordering": "Timeouts",
    "protocol.session": "Ack Request Response",
    "protocol.wire": "encode_field",
    "resources.fingerprint": "FINGERPRINTS",
    "resources.resource": "Reference Resource",
    "resources.snapshot": "Snapshot diff",
    "resources.types": "CLUSTER ENDPOINT EXTENSION_CONFIG LISTENER LOCALITY_ENDPOINT ROUTE RUNTIME SCOPED_ROUTE SECRET"
    " TYPES VIRTUAL_HOST ResourceType",
    "server.fault_log": "FaultLog",
    "server.groups": "SyncStatus",
    "server.limits": "Limits",
    "server.observer": "Client Observer Observers TypeState",
    "server.server": "Peer Server",
    "server.stream": "StreamRejected",
    "validation.validate": "Violation check",
}
"""The API's names by module; the imports above say the same to type checkers."""

_MODULES = {name: f"xds.{module}" for module, names in _NAMES.items() for name in names.split()}

if not TYPE_CHECKING:  # else a type checker would take any name for one of the API

    def __getattr__(name):
        """Import a name of the API when it is first used."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found = getattr(import_module(_MODULES[name]), name)
        return found


def __dir__() -> list[str]:
    """Return the names of the API."""
    return sorted(_MODULES)
