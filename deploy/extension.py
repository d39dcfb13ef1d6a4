"""Manifests of an extension in a package of its own: the CustomResourceDefinitions of its kinds, and its role."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Final

from deploy.definitions import definition
from deploy.rbac import kind_rules
from translator.extension import Extension
from translator.extensions import EXTENSIONS
from translator.registry import registry

EXAMPLE: Final = Path(__file__).parents[1] / "examples" / "extension"


def example() -> Extension:
    """Load the extension of the example, which need not be installed."""
    spec = spec_from_file_location("headgate_maintenance", EXAMPLE / "headgate_maintenance" / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)  # dataclasses look for the module by its name
    spec.loader.exec_module(module)
    found: Extension = module.EXTENSION
    return found


def crds(extension: Extension) -> list[dict[str, Any]]:
    """Return the CustomResourceDefinitions of the kinds that an extension adds."""
    found = registry((*EXTENSIONS, extension))
    return [definition(each, found) for each in extension.kinds]


def role(extension: Extension, name: str) -> str:
    """Return a ClusterRole with the rights that an extension takes, bound to the chart's service account."""
    found = kind_rules(extension.kinds, registry((*EXTENSIONS, extension)))
    rules = "".join(f"  {line}\n" for rule in found for line in rule.lines())
    return ROLE.format(name=name, rules=rules)


ROLE: Final = """apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {name}
rules:
{rules}---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {name}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {name}
subjects:
  - kind: ServiceAccount
    name: headgate
    namespace: headgate-system
"""
