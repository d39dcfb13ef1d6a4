"""The web application firewall of `headgate run`: `headgate waf` as a child, once a policy needs it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from pathlib import Path

import structlog

from headgate.envoy.supervisor import pauses
from headgate.process.address import Address
from headgate.process.errors import UserError
from headgate.waf.engine import check_library
from headgate.waf.rule_files import RuleFiles
from translator.backends.waf_service import WAF_SERVICE
from translator.envoy.names import cluster_name
from translator.own_addresses import OwnAddress
from translator.translator import Changes
from xds import CLUSTER, Reference

STOP_SECONDS = 7.0
"""The time that the child has to end, in which it answers the requests that it has begun with."""

log = structlog.stdlib.get_logger("headgate")


class LocalFirewall:
    """Runs `headgate waf` from when the first Gateway asks it, until cancelled.

    It ends with this process, however that ends: its standard input is a pipe that nobody else has.

    Args:
        rules: the folder of the Core Rule Set; None to look in the usual places.

    Attributes:
        address: where it is, on this machine alone; None if it cannot be run, without its library or rules.
        process: the child, if it runs.
    """

    def __init__(self, rules: Path | None) -> None:
        self._rules = rules
        self._wanted = asyncio.Event()
        self.address = _free() if _can_run(rules) else None
        self._http = None if self.address is None else _free()
        self.process: asyncio.subprocess.Process | None = None

    def own_addresses(self) -> tuple[OwnAddress, ...]:
        """Return its addresses, where no route may lead: who asks the service says the profile, and what is logged."""
        found = [(self.address, "Headgate's web application firewall"), (self._http, "its metrics")]
        return tuple(OwnAddress(each.port, use, (each.host,)) for each, use in found if each is not None)

    def evaluated(self, changes: Changes) -> None:
        """Have it run once a Gateway asks it."""
        if self.address is None or self._wanted.is_set():
            return
        name = Reference(CLUSTER, cluster_name(WAF_SERVICE.at(self.address)))
        if any(each is not None and each.get(name) is not None for each in changes.snapshots.values()):
            self._wanted.set()

    async def run(self) -> None:
        """Run it, again whenever it has ended."""
        await self._wanted.wait()
        for pause in pauses():
            process = self.process = await self._start()
            try:
                status = await process.wait()
            finally:
                await _end(process)
            log.error(
                "The web application firewall has ended; its routes answer 500 until it is there again", status=status
            )
            await asyncio.sleep(pause)

    async def _start(self) -> asyncio.subprocess.Process:
        assert self.address is not None
        assert self._http is not None
        rules = ("--rules", str(self._rules)) if self._rules else ()
        addresses = ("--address", str(self.address), "--http-address", str(self._http))
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "headgate", "waf", *addresses, *rules, "--end-with-input"),
            stdin=asyncio.subprocess.PIPE,
            # Ctrl-C is for this process, which ends the child when its proxies have ended.
            start_new_session=True,
        )


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _free() -> Address:
    """Return an address of loopback that is free."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return Address("127.0.0.1", probe.getsockname()[1])


def _can_run(rules: Path | None) -> bool:
    """Return whether there are a library and rules.

    Raises:
        UserError: rules were named, and there is something missing.
    """
    try:
        check_library()
        RuleFiles.read(rules)
    except UserError:
        if rules is None and not os.environ.get("HEADGATE_WAF_RULES"):
            return False
        raise
    return True
