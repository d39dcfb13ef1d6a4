"""What the readers of fields of BackendConfigPolicies have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from translator.db import Db
from translator.kinds import BackendSettings
from translator.objects.headgate.backendconfigpolicy import BackendConfigPolicySpec
from translator.refs import Ref


class BackendConfig(NamedTuple):
    """What a reader of a BackendConfigPolicy reads.

    Attributes:
        policy: the policy: what it refers to is in its namespace, unless a reference names another.
        spec: its spec.
    """

    db: Db
    policy: Ref
    spec: BackendConfigPolicySpec


Reader = Callable[[BackendConfig], BackendSettings]
"""Returns the settings of some fields of a spec, empty if it has none of these.

A value that cannot be applied is a problem, and is left out; None instead of settings has the requests to the policy's
targets refused.
"""
