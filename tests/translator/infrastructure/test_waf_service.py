"""The web application firewall of a Gateway: its image, its parameters, and what its pod runs."""

from __future__ import annotations

from tests.translator.infrastructure.gateways import gateway, parameters, with_parameters
from tests.translator.infrastructure.own_services import IMAGE, POLICY, WAF, cluster, own


def test_without_an_image_nothing_is_deployed() -> None:
    """Where the operator says no image, the policy closes, and its status says the option."""
    found = cluster(gateway(), WAF.policy(), image="")
    assert own(found) == []
    assert "--waf-image" in str(found.translator.statuses[POLICY])


def test_what_the_pod_runs() -> None:
    """It is a command of Headgate's own image."""
    pod = WAF.body(cluster(gateway(), WAF.policy()))["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (container["image"], container["args"][0]) == (IMAGE, "waf")


def test_parameters() -> None:
    """The image, the pods and their template are as the parameters say."""
    spec = """{wafService: {image: "mine:1", replicas: 3, podTemplate: {spec: {nodeSelector: {disk: ssd}, containers: [
      {name: waf, env: [{name: HEADGATE_WAF_PROCESSES, value: "4"}]}]}}}}"""
    body = WAF.body(cluster(parameters(spec), with_parameters(), WAF.policy()))
    assert body["spec"]["replicas"] == 3
    pod = body["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (container["image"], container["env"]) == ("mine:1", [{"name": "HEADGATE_WAF_PROCESSES", "value": "4"}])
    assert pod["nodeSelector"] == {"disk": "ssd"}
