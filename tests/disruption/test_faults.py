"""Faults of disks, files and processes under load: what is served stays served."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.disruption.mounts import Mounts, fill
from tests.disruption.objects import route
from tests.disruption.traffic import serves, traffic
from tests.headgate.running import GATEWAY, Headgate
from tests.headgate.waiting import eventually
from tests.ports import free_port

SECONDS = 5.0
"""How long a fault lasts."""


async def running(headgate: Headgate) -> None:
    """Start it, and wait until it serves."""
    await headgate.start()
    await headgate.condition("web", "Programmed", "True")
    await serves(headgate.port, "/a")


async def edited(headgate: Headgate, path: str) -> None:
    """Add a route in a file of its own, and wait until it is served."""
    headgate.write("added", route("added", path))
    await serves(headgate.port, path)


async def test_a_folder_moved_away_and_back(headgate: Headgate) -> None:
    """A folder that is elsewhere for a while takes nothing away; back again, its changes are served."""
    await running(headgate)
    async with traffic(headgate.port) as requests:
        away = headgate.folder.rename(headgate.folder.with_name(f"{headgate.folder.name}-away"))
        await requests.passes(SECONDS)
        away.rename(headgate.folder)
        await edited(headgate, "/back")
        await requests.passes(1)
    print(f"\nfolder moved away for {SECONDS:.0f} s and back: {requests}")


async def test_a_folder_unmounted_and_mounted_again(
    mounts: Mounts, headgate: Headgate, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A mount that goes, comes back, and is hidden by an empty one takes nothing away."""
    source, headgate.folder = headgate.folder, tmp_path_factory.mktemp("mounted")
    mounts.bind(source, headgate.folder)
    await running(headgate)
    async with traffic(headgate.port) as requests:
        mounts.unmount(headgate.folder)
        await requests.passes(SECONDS)
        mounts.bind(source, headgate.folder)
        await edited(headgate, "/again")
        mounts.tmpfs(headgate.folder)
        await requests.passes(SECONDS)
        mounts.unmount(headgate.folder)
        await edited(headgate, "/seen")
        await requests.passes(1)
    print(f"\nfolder unmounted for {SECONDS:.0f} s, and hidden by an empty mount: {requests}")


async def test_a_full_disk_of_the_configuration(
    mounts: Mounts, headgate: Headgate, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """An editor that empties a file, and finds no space to write it, takes nothing away; with space it is served."""
    source, headgate.folder = headgate.folder, tmp_path_factory.mktemp("small")
    mounts.tmpfs(headgate.folder, "size=64k")
    shutil.copytree(source, headgate.folder, dirs_exist_ok=True)
    await running(headgate)
    file = headgate.folder / "route.yaml"
    async with traffic(headgate.port) as requests:
        file.write_bytes(b"")
        ballast = fill(headgate.folder)
        with pytest.raises(OSError, match="No space left"):
            file.write_text(route("shop", "/"))
        assert file.stat().st_size == 0
        await requests.passes(SECONDS)
        ballast.unlink()
        file.write_text(route("shop", "/"))
        await serves(headgate.port, "/anything")
        await requests.passes(1)
    print(f"\nfile emptied for {SECONDS:.0f} s on a full disk: {requests}")


async def test_a_full_disk_of_the_state(mounts: Mounts, headgate: Headgate, state_root: Path) -> None:
    """Edits, `kill -9` and a restart on a full disk fail no request and keep the Envoy; so does new space."""
    mounts.tmpfs(state_root, "size=1m,nr_inodes=60,mode=0700")
    await running(headgate)
    envoy = headgate.envoy_pid()
    async with traffic(headgate.port) as requests:
        ballast = fill(state_root)
        await edited(headgate, "/full")
        await headgate.end(signal.SIGKILL)
        await requests.passes(1)
        await headgate.start()
        await edited(headgate, "/restarted")
        ballast.unlink()
        await edited(headgate, "/space")
        await requests.passes(1)
    assert await envoys(headgate) == {"default/web": envoy}
    print(f"\nstate's disk full, an edit, kill -9 and restart, space again: {requests}")


async def test_a_killed_headgate(headgate: Headgate) -> None:
    """`kill -9` of Headgate and a restart fail no request, and the Envoy stays the same."""
    await running(headgate)
    envoy = headgate.envoy_pid()
    async with traffic(headgate.port) as requests:
        for number in range(3):
            await headgate.end(signal.SIGKILL)
            await requests.passes(1)
            await headgate.start()
            await edited(headgate, f"/after-{number}")
        await requests.passes(1)
    assert await envoys(headgate) == {"default/web": envoy}
    print(f"\nkill -9 of Headgate and restart, three times: {requests}")


async def test_a_hangup(headgate: Headgate) -> None:
    """SIGHUP fails no request and stops nothing."""
    await running(headgate)
    assert headgate.process
    async with traffic(headgate.port) as requests:
        for number in range(5):
            headgate.process.send_signal(signal.SIGHUP)
            await edited(headgate, f"/hup-{number}")
        await requests.passes(1)
    assert headgate.process.returncode is None
    print(f"\nSIGHUP, five times: {requests}")


async def test_a_killed_envoy(headgate: Headgate) -> None:
    """SIGKILL of a Gateway's Envoy fails no request to the other Gateways, and it is back."""
    other = free_port()
    headgate.write("other", GATEWAY.format(name="other", port=other))
    headgate.write("others", route("others", "/a", "other"))
    await running(headgate)
    await serves(other, "/a")
    killed = headgate.envoy_pid("default.other")
    assert killed
    async with traffic(headgate.port) as requests:
        os.kill(killed, signal.SIGKILL)
        await eventually(lambda: headgate.envoy_pid("default.other") != killed)
        back = await serves(other, "/a")
        await requests.passes(1)
    print(
        f"\nSIGKILL of another Gateway's Envoy: {requests}; it answers {back * 1e3:.0f} ms after its new process began"
    )


async def envoys(headgate: Headgate) -> dict[str, int]:
    """Return the process of each Gateway's Envoy."""
    await asyncio.wait_for(headgate.condition("web", "Programmed", "True"), 20)
    return {each["gateway"]: each["pid"] for each in (await headgate.ask("/status"))["envoys"]}
