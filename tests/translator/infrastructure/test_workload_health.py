"""Problems of workloads and pods in the Gateway's conditions."""

from __future__ import annotations

import json

import pytest

from tests.translator.infrastructure.gateways import NAME, Cluster, gateway, parameters, service, with_parameters

ADDRESS = service("status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}")


def deployment(status: str, kind: str = "Deployment") -> str:
    """Return the proxies' workload, as in the API server."""
    return f"""
apiVersion: apps/v1
kind: {kind}
metadata: {{name: {NAME}, namespace: web}}
status: {status}
"""


def pod(status: str, name: str = "p1") -> str:
    """Return a proxy's pod."""
    labels = "{gateway.networking.k8s.io/gateway-name: shop}"
    return f"""
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: web, labels: {labels}}}
status: {status}
"""


def waiting(reason: str, message: str = "") -> str:
    """Return the status of a pod whose container is waiting."""
    state = f"{{waiting: {{reason: {reason}, message: '{message}'}}}}"
    return f"{{containerStatuses: [{{name: envoy, state: {state}}}]}}"


def test_a_quota_denies_pods() -> None:
    """The message is the controller's, and the reason is a lack of resources."""
    condition = "{type: ReplicaFailure, status: 'True', reason: FailedCreate, message: 'exceeded quota: q'}"
    cluster = Cluster(gateway(), ADDRESS, deployment(f"{{conditions: [{condition}]}}"))
    assert cluster.condition("Programmed") == (
        "False",
        "NoResources",
        f"Deployment {NAME}: FailedCreate: exceeded quota: q.",
    )


def test_a_rollout_that_takes_too_long() -> None:
    """It is reported when the controller's deadline is exceeded."""
    condition = "{type: Progressing, status: 'False', reason: ProgressDeadlineExceeded, message: timed out}"
    cluster = Cluster(gateway(), ADDRESS, deployment(f"{{conditions: [{condition}]}}"))
    assert cluster.condition("Programmed")[1:] == (
        "Pending",
        f"Deployment {NAME}: ProgressDeadlineExceeded: timed out.",
    )


def test_an_image_that_cannot_be_pulled() -> None:
    """The message is the same at each attempt; pods with the same failure are counted."""
    first = waiting("ErrImagePull", "not found")
    second = waiting("ImagePullBackOff", 'Back-off pulling image "x": ErrImagePull: not found')
    cluster = Cluster(gateway(), ADDRESS, pod(first), pod(first, "p2"))
    text = "Pod p1 and 1 more: the image of container envoy cannot be pulled (not found)."
    assert cluster.condition("Programmed") == ("False", "Pending", text)
    cluster.apply(pod(second), pod(second, "p2"))
    assert cluster.condition("Programmed") == ("False", "Pending", text)


def test_a_starting_pod_is_no_problem() -> None:
    """A reason that resolves itself is not reported."""
    cluster = Cluster(gateway(), ADDRESS, pod(waiting("ContainerCreating")))
    assert cluster.condition("Programmed")[2] == "No proxy is connected."


def ended(message: str, code: int = 1, reason: str = "Error", ready: bool = False) -> str:
    """Return the status of a pod whose container was restarted after its end."""
    end = {"exitCode": code, "reason": reason, "message": message}
    container = {"name": "envoy", "ready": ready, "state": {"running": {}}, "lastState": {"terminated": end}}
    return json.dumps({"containerStatuses": [container]})


LOG = """\
[2026-11-21 14:17:44.338][9304][critical][main] [source/server/server.cc:449] error `cannot bind` initializing config
  b.yaml'

[2026-11-21 14:17:44.338][9304][error][main] [source/a.cc:1] cannot bind '192.0.2.1:19000': Cannot assign
"""


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (ended(LOG), "with exit code 1: cannot bind '192.0.2.1:19000': Cannot assign."),
        (
            ended(LOG + '{"path":"/cart","response_code":200}'),
            "with exit code 1: cannot bind '192.0.2.1:19000': Cannot",
        ),
        (ended("--foo -- Couldn't find match for argument\n\n"), "with exit code 1: --foo -- Couldn't find match for"),
        (ended("", 137, "OOMKilled"), "with exit code 137 (OOMKilled)."),
        (ended("x" * 5000), "with exit code 1: " + "x" * 1024 + "."),
    ],
)
def test_the_last_output_of_a_proxy_is_reported(status: str, words: str) -> None:
    """The last line of its log is reported, without the time, until it becomes ready."""
    cluster = Cluster(gateway(), ADDRESS, pod(status))
    told = f"Pod p1: container envoy ended {words}"
    assert cluster.condition("Programmed")[:2] == ("False", "Pending")
    assert cluster.condition("Programmed")[2].startswith(told)
    waits = json.loads(status)
    message = "back-off 40s restarting failed container"
    waits["containerStatuses"][0]["state"] = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
    cluster.apply(pod(json.dumps(waits)))
    assert cluster.condition("Programmed")[2].startswith(told)
    assert "back-off" not in cluster.condition("Programmed")[2]


def test_reported_failures_are_bounded() -> None:
    """If pods have many different failures, the first three are reported."""
    pods = [pod(waiting("CreateContainerError", f"no {number}"), f"p{number}") for number in range(5)]
    told = Cluster(gateway(), ADDRESS, *pods).condition("Programmed")[2]
    assert told.count("Pod p") == 3


def test_a_restarted_proxy_is_no_problem() -> None:
    """An earlier end does not matter once the proxy is ready, nor that of a terminating one."""
    going = pod(ended("no")).replace("namespace: web,", "namespace: web, deletionTimestamp: '2026-01-01T00:00:00Z',")
    cluster = Cluster(gateway(), ADDRESS, pod(ended("no", ready=True), "p2"), going)
    assert cluster.condition("Programmed")[2] == "No proxy is connected."


@pytest.mark.parametrize(
    ("wanted", "there", "told"), [(3, 3, False), (3, 2, False), (3, 1, True), (3, 0, True), (1, 0, True)]
)
def test_denied_pods_of_a_daemonset(wanted: int, there: int, told: bool) -> None:
    """The message says where to find the reason, unless one pod is missing, which may be starting."""
    status = f"{{desiredNumberScheduled: {wanted}, currentNumberScheduled: {there}}}"
    cluster = Cluster(gateway(), ADDRESS, deployment(status, "DaemonSet"))
    text = f"DaemonSet {NAME}: {there} of {wanted} pods are there; its events tell why"
    where = f"(`kubectl describe daemonset {NAME} --namespace web`)."
    assert (cluster.condition("Programmed")[2] == f"{text} {where}") == told


def test_unschedulable_pods_lack_resources() -> None:
    """A pod that cannot be scheduled lacks resources."""
    condition = "{type: PodScheduled, status: 'False', reason: Unschedulable, message: '0/1 nodes are available'}"
    cluster = Cluster(gateway(), ADDRESS, pod(f"{{conditions: [{condition}]}}"))
    assert cluster.condition("Programmed")[:2] == ("False", "NoResources")


def endpoints(*ready: bool) -> str:
    """Return the EndpointSlice of the Gateway's Service, with ready endpoints and others."""
    found = [
        f"{{addresses: [10.0.0.{place}], conditions: {{ready: {str(each).lower()}}}}}"
        for place, each in enumerate(ready, 1)
    ]
    return f"""
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: s, namespace: web, labels: {{kubernetes.io/service-name: {NAME}}}}}
addressType: IPv4
endpoints: [{", ".join(found)}]
"""


def test_programmed_needs_a_ready_endpoint() -> None:
    """Programmed waits for a ready endpoint of the Service, as others get no traffic."""
    cluster = Cluster(gateway(), ADDRESS, deployment("{replicas: 1}"))
    cluster.deliver()
    said = ("False", "Pending", "No proxy is ready yet behind the Service.")
    assert cluster.condition("Programmed") == said
    cluster.apply(endpoints(False))
    assert cluster.condition("Programmed") == said
    cluster.apply(endpoints(False, True))
    assert cluster.condition("Programmed")[0] == "True"
    cluster.apply(endpoints())
    assert cluster.condition("Programmed") == said


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("{pdb: {minAvailable: 1}}", "pdb.minAvailable is 1, and there may be no more than 1"),
        ("{replicas: 3, pdb: {minAvailable: 3}}", "pdb.minAvailable is 3, and there may be no more than 3"),
        ("{hpa: {minReplicas: 2, maxReplicas: 9}, pdb: {minAvailable: 2}}", "there may be no more than 2"),
        ("{replicas: 3, pdb: {maxUnavailable: 0}}", "pdb.maxUnavailable is 0;"),
        ("{replicas: 3, pdb: {maxUnavailable: 0%}}", "pdb.maxUnavailable is 0%;"),
        ("{replicas: 3, pdb: {minAvailable: 100%}}", "pdb.minAvailable is 100%, and there may be no more than 3"),
        ("{pdb: {minAvailable: 1%}}", "pdb.minAvailable is 1%, and there may be no more than 1"),
        ("{replicas: 3, pdb: {minAvailable: 2}}", ""),
        ("{replicas: 0, pdb: {minAvailable: 1}}", ""),
        ("{pdb: {maxUnavailable: 1}}", ""),
        ("{pdb: {minAvailable: 0%}}", ""),
        ("{replicas: 3, pdb: {minAvailable: 50%}}", ""),
        ("{kind: DaemonSet, pdb: {maxUnavailable: 0}}", ""),
        ("{}", ""),
    ],
)
def test_nodes_that_cannot_be_drained(spec: str, words: str) -> None:
    """A budget that never permits an eviction is reported, as it is noticed only when a node is drained."""
    cluster = Cluster(parameters(spec), with_parameters(), ADDRESS)
    cluster.deliver()
    status, _, message = cluster.condition("Programmed")
    assert status == "True"
    assert ("Nodes with its proxies cannot be drained" in message) == bool(words)
    assert words in message


def test_old_proxies_keep_the_gateway_programmed() -> None:
    """New ones that do not start are reported nevertheless."""
    daemons = deployment("{}", "DaemonSet")
    cluster = Cluster(gateway(), ADDRESS, daemons, endpoints(True), pod(waiting("CrashLoopBackOff", "again")))
    cluster.deliver()
    status, _, message = cluster.condition("Programmed")
    assert status == "True"
    assert message.endswith("Pod p1: container envoy: CrashLoopBackOff: again.")
