"""The kind ListenerPolicy, whose fields other extensions give a meaning to, each its own."""

from __future__ import annotations

from translator.extension import Extension
from translator.kinds import LISTENER_LEVELS, PolicyKind
from translator.objects.headgate.listenerpolicy import ListenerPolicy

EXTENSION = Extension(
    "ListenerPolicy", policies=(PolicyKind(ListenerPolicy, LISTENER_LEVELS, closed=True, of_listeners=True),)
)
