"""The quickstart: two small servers, and Headgate with a real Envoy in front of them. `make quickstart` runs it.

It is the same as these two commands in two terminals, and some requests in a third:

    python examples/quickstart/upstreams.py
    headgate run examples/quickstart/config
"""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import aiohttp
from upstreams import PORTS, upstreams

from headgate.process.address import Address
from headgate.process.errors import UserError
from headgate.process.ports import check_free

CONFIG = Path(os.path.relpath(Path(__file__).resolve().parent / "config"))
GATEWAY = "http://127.0.0.1:8080"
ADMIN = os.environ.get("HEADGATE_ADMIN_ADDRESS", "127.0.0.1:19080")

#: Requests that show what routes.yaml says: a path, headers, and what to look at.
REQUESTS: tuple[tuple[str, Mapping[str, str], str], ...] = (
    ("/", {"x-version": "blue"}, "a header chooses the backend"),
    ("/api/items?page=2", {}, "the path is rewritten, a header is added"),
    ("/old", {}, "a redirect, by Envoy itself"),
)
SPLIT = 20


class Stopped(Exception):
    """There is no going on; the text, if any, says why."""


async def ready(headgate: asyncio.subprocess.Process, session: aiohttp.ClientSession) -> None:
    """Wait until the Gateway answers requests."""
    for _ in range(600):
        if headgate.returncode is not None:
            raise Stopped
        try:
            async with session.get(f"http://{ADMIN}/status") as response:
                objects = (await response.json())["objects"]
        except aiohttp.ClientError:
            objects = []
        told = (
            condition for each in objects if each["kind"] == "Gateway" for condition in each["status"]["conditions"]
        )
        programmed = next((condition for condition in told if condition["type"] == "Programmed"), None)
        if programmed and programmed["status"] == "True":
            return
        if programmed and programmed["reason"] != "Pending":
            raise Stopped(f"The Gateway does not come up: {programmed['message']}")
        await asyncio.sleep(0.1)
    raise Stopped("The Gateway does not come up within a minute; the lines above may tell why.")


async def show(session: aiohttp.ClientSession) -> None:
    """Send some requests, and prints them as one would type them."""
    for path, headers, lesson in REQUESTS:
        options = "".join(f" -H '{name}: {value}'" for name, value in headers.items())
        print(f"\n# {lesson}\n$ curl -i{options} '{GATEWAY}{path}'")
        async with session.get(f"{GATEWAY}{path}", headers=headers, allow_redirects=False) as response:
            print(f"{response.status} {response.headers.get('location') or (await response.text()).strip()}")
    answers: Counter[str] = Counter()
    for _ in range(SPLIT):
        async with session.get(f"{GATEWAY}/") as response:
            answers[(await response.text()).split()[0]] += 1
    print(f"\n# {SPLIT} times, split by weight\n$ curl {GATEWAY}/")
    print(", ".join(f"{count} times {name}" for name, count in answers.most_common()))


async def quickstart() -> None:
    """Run everything until Ctrl-C."""
    for name, port in PORTS.items():
        check_free(Address("127.0.0.1", port), f"port for {name} in upstreams.py and services.yaml")
    interrupted = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, interrupted.set)
    async with upstreams(), aiohttp.ClientSession() as session:
        # In a session of its own, so that Ctrl-C reaches it once, by way of us.
        command = [sys.executable, "-m", "headgate", "run", str(CONFIG)]
        environment = {"HEADGATE_LOG_FORMAT": "console", **os.environ}
        headgate = await asyncio.create_subprocess_exec(*command, start_new_session=True, env=environment)
        try:
            await until(interrupted, headgate, session)
        finally:
            if headgate.returncode is None:
                headgate.send_signal(signal.SIGINT)
                await headgate.wait()


async def until(
    interrupted: asyncio.Event, headgate: asyncio.subprocess.Process, session: aiohttp.ClientSession
) -> None:
    """Show what there is to see, then stays until Ctrl-C, or until Headgate ends."""

    async def demonstrate() -> None:
        await ready(headgate, session)
        await show(session)
        print(
            f"\nHeadgate and its Envoy are up. Edit {CONFIG / 'routes.yaml'}, save it, and ask again:"
            f"\n  curl -i {GATEWAY}/\nIn another terminal `headgate status` shows the conditions of the objects."
            "\nCtrl-C stops everything.\n",
            flush=True,
        )
        await headgate.wait()
        raise Stopped

    demonstration = asyncio.ensure_future(demonstrate())
    interruption = asyncio.ensure_future(interrupted.wait())
    done, _ = await asyncio.wait({demonstration, interruption}, return_when=asyncio.FIRST_COMPLETED)
    demonstration.cancel()
    interruption.cancel()
    if demonstration in done:
        demonstration.result()


def main() -> int:
    """Run the quickstart; returns the exit status."""
    try:
        asyncio.run(quickstart())
    except (Stopped, UserError) as error:
        if str(error):
            print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
