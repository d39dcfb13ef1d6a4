"""The kind TrafficPolicy, whose fields other extensions give a meaning to, each its own."""

from __future__ import annotations

from translator.extension import Extension
from translator.kinds import PolicyKind
from translator.objects.headgate.trafficpolicy import TrafficPolicy

EXTENSION = Extension("TrafficPolicy", policies=(PolicyKind(TrafficPolicy, closed=True),))
