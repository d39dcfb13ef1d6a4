"""Failures of pods, in the words of the scheduler, the kubelet and the program. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from translator.objects.kubernetes.workloads import ContainerEnd, ContainerStatus, Pod

STARTING: Final = frozenset({"", "ContainerCreating", "PodInitializing"})
"""Reasons of a waiting container that resolve themselves."""
PULLING: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
MOST_WORDS: Final = 1024
"""Most characters reported of a program's last output."""

_LOGGED: Final = re.compile(r"(\[[^]]*\])+ (\[[^]]*\] )?")
"""The prefix of a line of Envoy's log: time, thread, level, component and place."""


def pod_failures(pod: Pod) -> Iterator[str]:
    """Yield the failures of a pod, the same for each attempt of the kubelet; nothing while the pod is starting."""
    for each in pod.status.conditions:
        if (each.type, each.status) == ("PodScheduled", "False"):
            yield f"{each.reason}: {each.message}"
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        yield from _of_container(status)


def _of_container(status: ContainerStatus) -> Iterator[str]:
    waiting = status.state.waiting
    end = status.state.terminated or status.last_state.terminated
    if waiting is not None and waiting.reason in PULLING:
        # The kubelet's messages differ from one attempt to the next.
        yield f"the image of container {status.name} cannot be pulled ({_cause(waiting.message) or waiting.reason})"
    elif end is not None and end.exit_code and not status.ready:
        yield f"container {status.name} ended {_how(end)}"
    elif waiting is not None and waiting.reason not in STARTING:
        yield ": ".join(filter(None, (f"container {status.name}", waiting.reason, waiting.message)))


def _how(end: ContainerEnd) -> str:
    """Return how a container ended, with its last output, in which Envoy reports the reason."""
    how = f"with exit code {end.exit_code}" + (f" ({end.reason})" if end.reason not in ("", "Error") else "")
    lines = [each for each in end.message.splitlines() if each.strip()]
    # Beside them, on the standard output, are requests that it has served.
    lines = [each for each in lines if _LOGGED.match(each)] or lines
    return f"{how}: {_LOGGED.sub('', lines[-1].strip(), count=1)[:MOST_WORDS]}" if lines else how


def _cause(message: str) -> str:
    """Return the cause at the end of a message of the kind 'Back-off pulling image "x": ErrImagePull: not found'."""
    return message.rpartition("ErrImagePull: ")[2]
