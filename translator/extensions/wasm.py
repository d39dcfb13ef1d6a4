"""Modules of WebAssembly (Envoy's ``wasm``): the unit `wasm` of TrafficPolicies, where the operator allows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from translator.envoy.filter_entries import FilterEntry, ModuleUse
from translator.envoy.hooks import FilterHook
from translator.envoy.http_filters import WASM
from translator.envoy.named_chains import passed_chain
from translator.envoy.wasm import Plugin
from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.extensions.filter_stages import BODY_BYTES, object_text, some_closed, too_many
from translator.gateway.modules import module_digest
from translator.gateway.pull_secrets import pull_credentials
from translator.ir.http import RuleSetting
from translator.ir.modules import ModuleAtUrl, ModuleInConfigMap, ModuleInImage, ModuleSource
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.objects.headgate.wasmmodules import MODULE_KEY, MOST_MODULES, ModuleImage, WasmModule
from translator.outcome import Outcome, Problem

NAME: Final = "wasm"
NOT_ALLOWED: Final = (
    "modules see and change all of requests and responses, and Headgate was started without --allow-wasm: remove it, "
    "or have the operator allow it"
)


@dataclass(frozen=True, slots=True)
class Plugins(RuleSetting, FilterHook):
    """Filters of modules that requests and responses pass, in their order.

    Attributes:
        plugins: they, each with the place of its module.
    """

    plugins: tuple[tuple[Plugin, ModuleSource], ...]

    @property
    def buffered_bytes(self) -> int:
        """How much of a body the proxy holds for a module that waits for the whole."""
        return BODY_BYTES

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the chain, whose name is by its content, and the modules in it."""
        chain, passage = passed_chain(WASM, NAME, (plugin.filter() for plugin, _ in self.plugins))
        yield from chain
        yield from (ModuleUse(plugin.digest, source) for plugin, source in self.plugins)
        if not all(plugin.fail_open for plugin, _ in self.plugins):
            yield passage


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective modules.

    One that cannot be had is left out where the policies say that it may be, and otherwise has requests refused.
    """
    found: tuple[WasmModule, ...] = context.effective.value
    wanted = [each for each in found if each.disable is None]
    if not wanted:
        return Outcome(())
    if not context.db.settings.allow_wasm:
        return Outcome(None, (Problem("Accepted", "NotAllowed", f"{context.field}: {NOT_ALLOWED}."),))
    if excess := too_many(context.field, wanted, MOST_MODULES, "modules"):
        return Outcome(None, excess)
    made: list[tuple[Plugin, ModuleSource]] = []
    problems: list[Problem] = []
    closed = False
    for each in wanted:
        source = _source(context, each)
        if source.value is not None and not isinstance(source.value, ModuleInConfigMap):
            # First, so that it is fetched whatever else is wrong.
            context.db.module(source.value)
            if context.db.settings.offline:
                continue
        digest = _digest(context, each, source)
        problems += digest.problems
        if digest.value is not None and source.value is not None:
            made.append((_plugin(context, each, digest.value), source.value))
        closed = closed or (digest.value is None and not each.fail_open)
    settings = (Plugins(tuple(made)),) if made else ()
    return Outcome(None if closed else settings, tuple(problems))


def _leaf(found: WasmModule) -> str:
    return f"[{found.name}]"


def _plugin(context: PolicyContext, found: WasmModule, digest: bytes) -> Plugin:
    """Return the filter of a module."""
    keys = found.env.host_keys if found.env is not None else None
    return Plugin(
        found.name or NAME,
        context.origin(_leaf(found)).namespace,
        digest,
        found.root_id or "",
        object_text(found.config),
        bool(found.fail_open),
        tuple(sorted(set(keys or ()))),
    )


def _digest(context: PolicyContext, found: WasmModule, source: Outcome[ModuleSource | None]) -> Outcome[bytes | None]:
    """Return the hash of a module that can be had."""
    if source.value is None:
        return Outcome(None, source.problems)
    return module_digest(context.db, source.value, f"{context.field}{_leaf(found)}.code")


def _source(context: PolicyContext, found: WasmModule) -> Outcome[ModuleSource | None]:
    """Return where a module is."""
    assert found.code is not None
    field = f"{context.field}{_leaf(found)}.code"
    if found.code.config_map_ref is not None:
        reference = found.code.config_map_ref
        namespace = context.origin(_leaf(found)).namespace
        return Outcome(ModuleInConfigMap(namespace, reference.name, reference.key or MODULE_KEY))
    if found.code.http is not None:
        url = found.code.http.url
        if url.startswith("http://") and not context.db.settings.allow_http_issuers:
            text = f"{url} is not encrypted; use https, or have Headgate started with --allow-http-issuers."
            return Outcome(None, (Problem("Accepted", "Invalid", f"{field}.http.url: {text}"),))
        return Outcome(ModuleAtUrl(url, found.code.http.sha256))
    assert found.code.image is not None
    return _image(context, found, found.code.image, f"{field}.image")


def _image(context: PolicyContext, found: WasmModule, image: ModuleImage, field: str) -> Outcome[ModuleSource | None]:
    """Return the image that holds a module, and who may pull it."""
    if image.pull_secret_ref is None:
        return Outcome(ModuleInImage(image.url, sha256=image.sha256 or ""))
    owner = context.origin(_leaf(found))
    who = pull_credentials(context.db, owner, image.pull_secret_ref, image.url, f"{field}.pullSecretRef")
    if who.value is None:
        return Outcome(None, who.problems)
    return Outcome(ModuleInImage(image.url, who.value.user, who.value.password, image.sha256 or ""))


EXTENSION = Extension(
    "modules of WebAssembly",
    units=(PolicyUnit(TrafficPolicy, NAME, read, Plugins, closed=some_closed, inherit=TABLE, discovered=WASM),),
)
"""The unit `wasm`."""
