"""Thousands of changes under load."""

from __future__ import annotations

import asyncio
import time

from tests.disruption.objects import route
from tests.disruption.traffic import serves, traffic
from tests.headgate.running import GATEWAY, SERVICE, Headgate, upstream
from tests.ports import free_port

CHANGES = 3_000
PERIOD = 0.02
"""Seconds from one change to the next."""

TWO_RULES = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: shop}}
spec:
  parentRefs: [{{name: web}}]
  hostnames: {hostnames}
  rules:
    - matches: [{{path: {{type: PathPrefix, value: /{number}}}}}]
      backendRefs: [{{name: shop, port: 80}}]
    - matches: [{{path: {{type: PathPrefix, value: /a}}}}]
      backendRefs: [{{name: shop, port: 80}}]
"""


async def test_thousands_of_changes_fail_no_request(headgate: Headgate) -> None:
    """While routes, hosts, endpoints and a second Gateway change every 20 ms, every request gets its answer."""
    other, late = free_port(), 0
    async with upstream() as one, upstream() as two:
        headgate.write("service", SERVICE.format(port=one))
        await headgate.start()
        await serves(headgate.port, "/a")
        async with traffic(headgate.port) as requests:
            began = time.monotonic()
            for number in range(CHANGES):
                await asyncio.sleep(max(0.0, began + number * PERIOD - time.monotonic()))
                late += time.monotonic() - began - number * PERIOD > PERIOD
                change(headgate, number, other, one, two)
            took = time.monotonic() - began
            headgate.write("route", route("shop", "/"))
            last = await serves(headgate.port, "/last")
            await requests.passes(1)
        print(
            f"\n{CHANGES} changes in {took:.0f} s ({late} late): {requests}; last one served after {last * 1e3:.0f} ms"
        )
    assert (await headgate.ask("/status"))["refused"] == []


def change(headgate: Headgate, number: int, other: int, one: int, two: int) -> None:
    """Make the change of this number, none of which takes /a away."""
    match number % 5:
        case 0:
            headgate.write("extra", route("extra", f"/extra/{number}"))
        case 1:
            headgate.write("route", TWO_RULES.format(number=number, hostnames="[]"))
        case 2:
            headgate.write("service", SERVICE.format(port=two if number % 2 else one))
        case 3:
            headgate.write(
                "route", TWO_RULES.format(number=number, hostnames=f"[chaos.example.com, h{number}.example]")
            )
        case _ if number % 500 == 4:
            headgate.write("other", GATEWAY.format(name="other", port=other))
        case _ if number % 500 == 254:
            (headgate.folder / "other.yaml").unlink()
        case _:
            headgate.write("service", SERVICE.format(port=one))
