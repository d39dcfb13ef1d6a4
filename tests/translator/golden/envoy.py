"""Validation by a real Envoy of the resources of many Gateways at once."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from headgate.envoy.static import static_bootstrap
from headgate.reporting.proto_json import resources
from tests.certificates import self_signed
from tests.geo_databases import city, write
from tests.live.modules import compile_library
from xds.resources.snapshot import Snapshot

Sections = dict[str, list[dict[str, Any]]]
_DATABASE = re.compile(r'"/[^"]*\.mmdb"')
_LIBRARY = re.compile(r'"/[^"]*\.so"')
PROXY_FILES = "/certs/"
"""Where the objects of cases say that proxies have certificates."""
NAMED = ("listeners", "routes", "clusters", "secrets")


def envoy_error(envoy: Path, folder: Path, snapshots: Iterable[Snapshot]) -> str:
    """Validate all snapshots by one `envoy --mode validate`; return its error, "" if it accepts all."""
    merged: Sections = {}
    for number, snapshot in enumerate(snapshots):
        for section, found in _set_apart(resources(snapshot, redacted=False), number).items():
            merged.setdefault(section, []).extend(found)
    merged = _with_files(merged, folder)
    config = folder / "bootstrap.json"
    text = _with_libraries(json.dumps(static_bootstrap(merged)), folder / "libany.so")
    config.write_text(_with_databases(text, folder / "any.mmdb"))
    options = ["--mode", "validate", "--disable-hot-restart", "--log-level", "error"]
    done = subprocess.run(
        [envoy, *options, "--config-path", config], capture_output=True, timeout=60, check=False, text=True
    )
    return done.stderr if done.returncode else ""


def _with_databases(config: str, database: Path) -> str:
    """Return a configuration in which each database of addresses is one that is there."""
    found = _DATABASE.sub(lambda _: json.dumps(str(database)), config)
    if found != config:
        write(database, "GeoIP2-City", {"127.0.0.1": city("DE", "BY", "Munich")})
    return found


def _with_libraries(config: str, library: Path) -> str:
    """Return a configuration in which each shared library is one that is there."""
    found = _LIBRARY.sub(lambda _: json.dumps(str(library)), config)
    if found != config:
        compile_library(library)
    return found


def _with_files(value: Any, folder: Path) -> Any:
    """Return resources that name files of proxies which exist: a certificate and its key, in a folder of the test."""
    if isinstance(value, list):
        return [_with_files(each, folder) for each in value]
    if not isinstance(value, dict):
        return value
    name = value.get("filename", "")
    if not isinstance(name, str) or not name.startswith(PROXY_FILES):
        return {key: _with_files(each, folder) for key, each in value.items()}
    certificate, key = folder / "tls.crt", folder / "tls.key"
    if not certificate.exists():
        made = self_signed("proxy.example.com")
        certificate.write_text(made[0])
        key.write_text(made[1])
    return {**value, "filename": str(key if name.endswith(".key") else certificate)}


def _set_apart(found: Sections, number: int) -> Sections:
    """Return a Gateway's resources with names and addresses that are unique to its number."""
    names = {each["name"] for section in NAMED for each in found.get(section, ())}
    # Routes name filters, so these keep their names: what is discovered is written in their places.
    filters = {each["name"]: each["typed_config"] for each in found.get("extension_configs", ())}
    whole = {name: _configured(each, filters) for name, each in found.items() if name != "extension_configs"}
    renamed: Sections = _renamed(whole, {each: f"{number}/{each}" for each in names})
    for listener in renamed.get("listeners", ()):
        if "internal_listener" in listener:  # which has no socket
            continue
        for place, each in enumerate((listener, *listener.get("additional_addresses", ()))):
            each["address"]["socket_address"]["address"] = f"127.{place + 1}.{number >> 8}.{number & 255}"
    return renamed


def _configured(value: Any, filters: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_configured(each, filters) for each in value]
    if not isinstance(value, dict):
        return value
    if "config_discovery" in value:
        kept = {key: each for key, each in value.items() if key != "config_discovery"}
        return {**kept, "typed_config": filters[value["name"]]}
    return {key: _configured(each, filters) for key, each in value.items()}


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each, names) for each in value]
    return names.get(value, value) if isinstance(value, str) else value
