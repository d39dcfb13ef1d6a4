"""The configuration loader of kubernetes-asyncio, without its request and model classes.

Those are 900 modules and 36 MB of memory, more than all other imports of Headgate, and are not used here; but the
library imports them with any of its modules. While its configuration is imported, its packages are therefore replaced
by bare ones, which only locate their modules. A later import of the library imports it completely. The same holds for
urllib3: 1 MB for one function, which makes a header for a client that is not used here.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kubernetes_asyncio.client import Configuration
    from kubernetes_asyncio.config import ConfigException, incluster_config, load_incluster_config, load_kube_config

__all__ = ["ConfigException", "Configuration", "incluster_config", "load_incluster_config", "load_kube_config"]

LIBRARY: Final = "kubernetes_asyncio"
PACKAGE: Final = f"{LIBRARY}.config"
URLLIB3: Final = "urllib3"


def _read() -> ModuleType:
    """Return the configuration package; the complete library if it is imported already, or bare packages fail."""
    if LIBRARY not in sys.modules:
        try:
            return _read_alone()
        except ImportError:  # another version imports more of its client
            pass
        finally:
            for name in [each for each in sys.modules if each.partition(".")[0] == LIBRARY]:
                del sys.modules[name]
    return import_module(PACKAGE)


def _read_alone() -> ModuleType:
    spec = find_spec(LIBRARY)
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent
    _add_bare(LIBRARY, folder)
    client = _add_bare(f"{LIBRARY}.client", folder / "client")
    configuration = _configuration()
    vars(client).update(Configuration=configuration.Configuration, ApiClient=None)
    return import_module(PACKAGE)


def _configuration() -> ModuleType:
    name = f"{LIBRARY}.client.configuration"
    if URLLIB3 in sys.modules:
        return import_module(name)
    sys.modules[URLLIB3] = ModuleType(URLLIB3)
    try:
        return import_module(name)
    finally:
        del sys.modules[URLLIB3]


def _add_bare(name: str, folder: Path) -> ModuleType:
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    sys.modules[name] = made = module_from_spec(spec)
    return made


if not TYPE_CHECKING:
    _found = _read()
    incluster_config = _found.incluster_config
    Configuration = incluster_config.Configuration
    ConfigException = _found.ConfigException
    load_incluster_config = _found.load_incluster_config
    load_kube_config = _found.load_kube_config
