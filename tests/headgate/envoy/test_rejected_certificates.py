"""Certificates that Envoy rejects disable their own listeners only, and are reported everywhere."""

import asyncio
import base64
import contextlib
import ssl
import sys
import time

import pytest

from tests.certificates import self_signed
from tests.headgate.running import Headgate

pytestmark = pytest.mark.slow

COUNT = 43

SECRET = """
apiVersion: v1
kind: Secret
metadata: {{name: s{number}}}
type: kubernetes.io/tls
data: {{tls.crt: {crt}, tls.key: {key}}}
"""

LISTENER = """
    - name: l{number}
      port: {port}
      protocol: HTTPS
      hostname: h{number}.example
      tls: {{certificateRefs: [{{name: s{number}}}]}}"""

GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: web, generation: 1}}
spec:
  gatewayClassName: headgate
  listeners:{listeners}
"""


def secret(number: int, *, refused: bool = False) -> str:
    """Return the Secret of a listener."""
    crt, key = self_signed("refused" if refused else f"h{number}", f"h{number}.example")
    return SECRET.format(number=number, crt=_base64(crt), key=_base64(key))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def many(headgate: Headgate) -> Headgate:
    """Return a Gateway with many HTTPS listeners on a port, each with its own certificate."""
    headgate.module = "tests.headgate.envoy.miswriting"
    listeners = "".join(LISTENER.format(number=number, port=headgate.port) for number in range(COUNT))
    headgate.write("gateway", GATEWAY.format(listeners=listeners))
    for number in range(COUNT):
        headgate.write(f"s{number}", secret(number))
    return headgate


async def programmed(headgate: Headgate) -> dict[str, str]:
    """Return the condition Programmed of each listener, and of the Gateway under its own name."""
    status = await headgate.ask("/status") or {"objects": []}
    [found] = [each["status"] for each in status["objects"] if each["kind"] == "Gateway"] or [{}]
    holders = {"web": found} | {each["name"]: each for each in found.get("listeners", ())}
    conditions = {
        name: {each["type"]: each for each in holder.get("conditions", ())} for name, holder in holders.items()
    }
    return {name: each["Programmed"]["status"] for name, each in conditions.items() if "Programmed" in each}


async def are_rejected(headgate: Headgate, *numbers: int, within: float) -> None:
    """Wait until exactly these listeners are not programmed."""
    wanted = {f"l{number}": str(number not in numbers) for number in range(COUNT)} | {"web": str(not numbers)}
    began = time.monotonic()
    while (seen := await programmed(headgate)) != wanted:
        assert time.monotonic() < began + within, {name for name, each in seen.items() if each != wanted[name]}
        await asyncio.sleep(0.02)


async def answering(headgate: Headgate) -> set[int]:
    """Return the listeners that accept a TLS connection with their own certificate."""
    return {number for number in range(COUNT) if await _answers(headgate.port, f"h{number}.example")}


async def _answers(port: int, name: str) -> bool:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


async def test_one_rejected_certificate_among_many(many: Headgate) -> None:
    """Within 5 seconds only its listener is not programmed, all others answer; log and status name the Secret."""
    everyone = set(range(COUNT))
    many.write("s7", secret(7, refused=True))
    await many.start()
    await many.condition("web", "Accepted", "True")
    await are_rejected(many, 7, within=5)
    assert await answering(many) == everyone - {7}
    assert "Gateway default/web is not programmed: A proxy refused Secret default/s7: Failed to load" in many.log
    shown = await status(many)
    assert "Gateway default/web: a proxy refused Secret default/s7" in shown
    assert "KEY_VALUES_MISMATCH" in shown

    many.write("s20", secret(20, refused=True))
    many.write("s41", secret(41, refused=True))
    await are_rejected(many, 7, 20, 41, within=5)
    assert await answering(many) == everyone - {7}  # the others present their previous certificates

    for number in (7, 20, 41):
        many.write(f"s{number}", secret(number))
    await are_rejected(many, within=5)
    assert await answering(many) == everyone


async def test_a_rejected_certificate_is_known_to_the_next_run(many: Headgate) -> None:
    """An adopted Envoy that now accepts the same certificate still does not use it."""
    many.write("s7", secret(7, refused=True))
    await many.start()
    await many.condition("web", "Accepted", "True")
    await are_rejected(many, 7, within=5)
    pid = many.envoy_pid()
    assert many.process
    many.process.kill()
    await many.process.wait()
    await many.start()
    await are_rejected(many, 7, within=10)  # Envoy reconnects after a while
    assert many.envoy_pid() == pid
    assert await answering(many) == set(range(COUNT)) - {7}


async def status(headgate: Headgate) -> str:
    """Return the output of `headgate status`, without line breaks."""
    command = (sys.executable, "-m", "headgate", "status", "--admin-address", f"127.0.0.1:{headgate.admin}")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return " ".join(out.decode().split())
