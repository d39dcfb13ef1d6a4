"""Modules of WebAssembly as Envoy's filters (``wasm``).

Envoy has no way to have a module by its hash: it may fetch modules itself, but fails all filters but the first one that
ask for a module which it is fetching, until their configuration changes. So modules are in the configuration, in one
resource of a Gateway; routes say the name of a chain in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from google.protobuf.wrappers_pb2 import StringValue

from headgate_proto.envoy.extensions.filters.http.composite.v3.composite_pb2 import Composite
from headgate_proto.envoy.extensions.filters.http.wasm.v3.wasm_pb2 import Wasm
from headgate_proto.envoy.extensions.wasm.v3.wasm_pb2 import FAIL_OPEN, FAIL_RELOAD

RUNTIME: Final = "envoy.wasm.runtime.v8"


class Plugin(NamedTuple):
    """A filter of a module.

    Attributes:
        name: its name, in logs and statistics.
        machine: whose modules share a machine, and the data that they share; equal modules of one do.
        digest: the SHA-256 of the module.
        root_id: which of the module's filters it is; "" for the one without a name.
        config: what it is configured by: JSON; "" for nothing.
        fail_open: whether requests go on without it if it fails.
        host_keys: the environment variables of the proxy that it sees.
    """

    name: str
    machine: str
    digest: bytes
    root_id: str = ""
    config: str = ""
    fail_open: bool = False
    host_keys: tuple[str, ...] = ()

    def filter(self) -> Wasm:
        """Return its filter, in which the hash is in the place of the module."""
        made = Wasm()
        config, machine = made.config, made.config.vm_config
        config.name, config.root_id = self.name, self.root_id
        # A machine that has failed is started again, at most once a second; requests are refused meanwhile.
        config.failure_policy = FAIL_OPEN if self.fail_open else FAIL_RELOAD
        if self.config:
            config.configuration.Pack(StringValue(value=self.config), deterministic=True)
        # Envoy shares a machine between equal modules of one id, whatever environment they ask for.
        machine.vm_id = "/".join((self.machine, *self.host_keys))
        machine.runtime = RUNTIME
        machine.code.local.inline_bytes = self.digest
        if self.host_keys:
            machine.environment_variables.host_env_keys.extend(self.host_keys)
        return made


def write_modules(chains: Composite, modules: Mapping[bytes, bytes | None]) -> None:
    """Write the modules in the places of their hashes.

    Args:
        chains: the chains of a discovered filter.
        modules: the modules by their hashes; None for one that is not there any more, whose chain is left out.
    """
    for name in list(chains.named_filter_chains):
        for each in chains.named_filter_chains[name].typed_config:
            made = Wasm()
            if not each.typed_config.Unpack(made):
                continue
            code = modules.get(made.config.vm_config.code.local.inline_bytes)
            if code is None:
                del chains.named_filter_chains[name]
                break
            made.config.vm_config.code.local.inline_bytes = code
            each.typed_config.Pack(made, deterministic=True)
