"""The Inference Extension's own picker runs here, and picks Pods, with nothing between it and the test."""

from __future__ import annotations

import json
from typing import Any

import grpc.aio

from headgate_proto.envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingRequest, ProcessingResponse
from tests.live.picker.reference import GROUP, pod, reference_picker
from tests.live.processor import SERVICE

PORT = 23_999
DESTINATION = "x-gateway-destination-endpoint"


async def picked(port: int, model: str) -> str:
    """Ask the picker where a request goes, as Envoy does with bodies as streams."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.stream_stream(
            f"/{SERVICE}/Process",
            request_serializer=ProcessingRequest.SerializeToString,
            response_deserializer=ProcessingResponse.FromString,
        )()
        head, body = ProcessingRequest(), ProcessingRequest()
        for key, value in {":path": "/v1/completions", ":method": "POST", "x-request-id": "one"}.items():
            head.request_headers.headers.headers.add(key=key, raw_value=value.encode())
        body.request_body.body = json.dumps({"model": model, "prompt": "Hello"}).encode()
        body.request_body.end_of_stream = True
        answer: Any = None
        await call.write(head)
        await call.write(body)
        answer = await call.read()
        call.cancel()
    changed = answer.request_headers.response.header_mutation.set_headers
    return "".join(each.header.raw_value.decode() for each in changed if each.header.key == DESTINATION)


async def test_the_picker_picks_pods_of_its_pool() -> None:
    """It answers with addresses of Pods that the pool selects, and of no others."""
    pool = {
        "apiVersion": GROUP,
        "kind": "InferencePool",
        "metadata": {"name": "pool", "namespace": "default", "uid": "pool", "resourceVersion": "1"},
        "spec": {
            "selector": {"matchLabels": {"app": "model"}},
            "targetPorts": [{"number": PORT}],
            "endpointPickerRef": {"name": "epp", "port": {"number": 9002}},
        },
    }
    model = {"app": "model"}
    pods = [pod("a", "127.0.0.2", model), pod("b", "127.0.0.3", model), pod("c", "127.0.0.4", {"app": "other"})]
    async with reference_picker(pool, pods) as picker:
        found = {each for index in range(20) for each in (await picked(picker.port, f"model-{index}")).split(",")}
    assert found <= {f"127.0.0.2:{PORT}", f"127.0.0.3:{PORT}"}
    assert found
