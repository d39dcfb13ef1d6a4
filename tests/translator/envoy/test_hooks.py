"""Settings reach the messages that they are for, by the hooks that they implement."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from sys import modules
from typing import Any

import pytest

from headgate_proto.envoy.config.listener.v3.listener_pb2 import Listener
from headgate_proto.envoy.config.route.v3.route_components_pb2 import VirtualHost
from headgate_proto.envoy.config.route.v3.route_pb2 import RouteConfiguration
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from tests.translator.golden.case import Case
from tests.translator.golden.test_golden import PATHS
from translator.envoy import hooks
from translator.envoy.listener import listener
from translator.envoy.route_configuration import route_configuration, virtual_host
from translator.extensions import EXTENSIONS
from translator.ir.backend import BackendSetting
from translator.ir.http import RuleSetting
from translator.ir.l4 import L4Setting
from translator.ir.listener import (
    ChainMatch,
    FilterChain,
    HttpChain,
    ListenerSetting,
    PortListener,
    RouteConfigKey,
    SocketPort,
)

pytestmark = pytest.mark.slow

TABLE = RouteConfigKey("shop/web", 80)


def settings() -> Iterator[type]:
    """Yield the types of settings that extensions have, but for what `dataclass` made classes with slots from."""
    pending: list[type] = [RuleSetting, BackendSetting, ListenerSetting, L4Setting]
    while pending:
        found: list[type] = pending.pop().__subclasses__()
        pending += found
        yield from (each for each in found if each.__module__.startswith("translator.extensions.") and _is_final(each))


def _is_final(kind: type) -> bool:
    return getattr(modules[kind.__module__], kind.__name__) is kind


def declared() -> set[tuple[type, str]]:
    """Return each hook of each type of settings."""
    return {
        (each, name)
        for each in settings()
        for hook in hooks.HOOKS
        if hook.implemented_by(each)
        for name in vars(hook.protocol)
        if is_hook(name)
    }


def is_hook(name: str) -> bool:
    """Return whether a method writes into messages, or gives what is written."""
    return name.startswith("apply_to_") or name == "filter_configs"


def test_golden_cases_reach_every_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every hook that a setting of an extension implements runs in some golden case."""
    ran: set[tuple[type, str]] = set()

    def recorded(kind: type, name: str) -> Callable[..., Any]:
        original = getattr(kind, name)

        @functools.wraps(original)
        def run(*arguments: Any) -> Any:
            ran.add((kind, name))
            return original(*arguments)

        return run

    # Bases first: what a subclass inherits then runs the base's, which counts for both.
    for kind, name in sorted(declared(), key=lambda each: len(each[0].__mro__)):
        monkeypatch.setattr(kind, name, recorded(kind, name))
    for path in PATHS:
        list(Case.read(path).evaluate())
    assert len(ran) > len(EXTENSIONS)
    assert ran == declared()


def test_hooks_are_declared() -> None:
    """What looks like a hook derives from the hook's protocol: else nobody would call it."""
    written = {(each, name) for each in settings() for name in dir(each) if is_hook(name)}
    assert written == declared()


@dataclass(frozen=True, slots=True)
class Name(
    ListenerSetting,
    hooks.ListenerHook,
    hooks.ConnectionManagerHook,
    hooks.RouteConfigurationHook,
    hooks.VirtualHostHook,
):
    """Writes a name into each message above routes."""

    text: str

    def apply_to_listener(self, listener: Listener) -> None:
        """Write it."""
        listener.stat_prefix = self.text

    def apply_to_connection_manager(self, manager: HttpConnectionManager) -> None:
        """Write it."""
        manager.server_name = self.text

    def apply_to_route_configuration(self, configuration: RouteConfiguration) -> None:
        """Write it."""
        configuration.request_headers_to_remove.append(self.text)

    def apply_to_virtual_host(self, host: VirtualHost) -> None:
        """Write it."""
        host.request_headers_to_remove.append(self.text)


def test_settings_above_routes() -> None:
    """Settings of ports, filter chains, tables and virtual hosts are written; those that have no such hook are not."""
    some, other = (Name("some"),), (ListenerSetting(),)
    chains = [FilterChain(ChainMatch(), HttpChain(TABLE, settings=each)) for each in ((*other, *some), ())]
    made = listener(PortListener("shop/web", SocketPort(80), ("::",), tuple(chains), settings=some), ())
    assert made.stat_prefix == "some"
    managers = [HttpConnectionManager.FromString(each.filters[1].typed_config.value) for each in made.filter_chains]
    assert [each.server_name for each in managers] == ["some", ""]
    table = RouteConfiguration.FromString(
        route_configuration(TABLE, None, [virtual_host("a.com", (), some), virtual_host("b.com", (), other)], some).body
    )
    assert table.request_headers_to_remove == ["some"]
    assert [list(each.request_headers_to_remove) for each in table.virtual_hosts] == [["some"], []]
