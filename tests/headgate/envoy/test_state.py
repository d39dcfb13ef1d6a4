"""The state directory is private, locked by one process at a time, and its paths are short enough for Unix sockets."""

import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from structlog.testing import capture_logs

from headgate.envoy.state import MAX_SOCKET_PATH, StateDirectory
from headgate.envoy.state_repair import StateRepair
from headgate.process.address import Address
from headgate.process.errors import UserError
from headgate.process.state_root import default_root
from headgate.security.proxy_tokens import ProxyTokens
from tests.headgate.running import Headgate
from tests.headgate.waiting import eventually

XDS = Address("127.0.0.1", 18000)

HOLD = """
import sys
from pathlib import Path
from headgate.process.address import Address
from headgate.envoy.state import StateDirectory
with StateDirectory(Path(sys.argv[1]), Address.parse(sys.argv[2])).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_process_locks_an_address(state_root: Path) -> None:
    """The error of a second process on an xDS address names the first; when that is killed, it can start."""
    command = [sys.executable, "-c", HOLD, str(state_root), str(XDS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        state = StateDirectory(state_root, XDS)
        with pytest.raises(UserError, match=rf"\(process {holder.pid}\) serves 127.0.0.1:18000 already.*--xds-address"):
            state.lock().__enter__()
        with StateDirectory(state_root, Address("127.0.0.1", 18001)).lock():
            pass
        holder.kill()
    with state.lock():
        pass


def test_a_lock_file_that_cannot_be_created_is_an_error(state_root: Path) -> None:
    """If there is no space for the lock file, the error names it and the fix."""
    state = StateDirectory(state_root, XDS)
    (state.path / "lock").mkdir()
    with pytest.raises(UserError, match=r"cannot make .*/lock: Is a directory; .*HEADGATE_STATE_DIR"):
        state.lock().__enter__()


def test_state_is_private(state_root: Path) -> None:
    """No other user can read the state, even if the directory existed before with other permissions."""
    shared = state_root / "shared"
    shared.mkdir(mode=0o755)
    state = StateDirectory(shared, XDS)
    own = state.gateway("default/web")
    own.make()
    for path in (shared, state.path, own.path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_state_that_is_created_again_is_private(state_root: Path) -> None:
    """If the parents of a Gateway's directory were removed, they are created unreadable for other users."""
    state = StateDirectory(state_root / "own", XDS)
    shutil.rmtree(state.root)
    own = state.gateway("default/web")
    own.make()
    for path in (state.root, state.path, own.path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_link_is_not_followed(state_root: Path) -> None:
    """A link in place of the directory, as another user could create in /tmp, is rejected."""
    (state_root / "link").symlink_to(state_root)
    with pytest.raises(UserError, match="no directory of yours"):
        StateDirectory(state_root / "link", XDS)


def test_an_unwritable_root_is_an_error(state_root: Path) -> None:
    """If the directory cannot be created, the error names it and the fix."""
    (state_root / "file").touch()
    with pytest.raises(UserError, match=r"file/state: Not a directory.*HEADGATE_STATE_DIR"):
        StateDirectory(state_root / "file" / "state", XDS)


def test_long_names_fit_a_socket(state_root: Path) -> None:
    """For any length of a Gateway's name, its admin socket can be bound, and no two Gateways share a directory."""
    state = StateDirectory(state_root, XDS)
    long = [state.gateway(f"{'n' * 63}/{'x' * 200}{digit}").admin_socket for digit in "12"]
    assert all(len(str(path)) <= MAX_SOCKET_PATH for path in long)
    assert long[0] != long[1]


def test_a_root_too_deep_for_sockets_is_an_error(state_root: Path) -> None:
    """If no Unix socket can be bound, the error says so."""
    with pytest.raises(UserError, match="too long for a Unix socket"):
        StateDirectory(state_root / ("d" * 100), XDS)


def test_the_default_root_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """HEADGATE_STATE_DIR has precedence over XDG_RUNTIME_DIR, XDG_STATE_HOME, and a private directory in /tmp."""
    for variable in ("HEADGATE_STATE_DIR", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    assert default_root().name.startswith("headgate-")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_root() == tmp_path / "headgate"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "missing"))
    assert default_root() == tmp_path / "headgate"
    monkeypatch.setenv("HEADGATE_STATE_DIR", str(tmp_path / "mine"))
    assert default_root() == tmp_path / "mine"


async def test_removed_files_are_restored(state_root: Path) -> None:
    """The key of the tokens and the lock file are restored; existing files are not changed."""
    state = StateDirectory(state_root / "own", XDS)
    with state.lock():
        tokens = ProxyTokens.load(state.root)
        key = ProxyTokens.path(state.root).read_bytes()
        repair = StateRepair(state, tokens, lambda: (), None)
        with capture_logs() as logs:
            await repair.look()
        assert logs == []
        for path in (state.root, ProxyTokens.path(state.root), state.lock_file):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            with capture_logs() as logs:
                await repair.look()
                await repair.look()
            assert len(logs) == 1
            assert ProxyTokens.path(state.root).read_bytes() == key
            with pytest.raises(UserError, match=r"serves 127\.0\.0\.1:18000 already"):
                state.lock().__enter__()


async def test_a_failed_repair_is_logged_once(state_root: Path) -> None:
    """A file in place of the state directory is logged once, and when it is removed the directory is restored."""
    state = StateDirectory(state_root / "own", XDS)
    repair = StateRepair(state, ProxyTokens.load(state.root), lambda: (), None)
    shutil.rmtree(state.root)
    state.root.touch()
    with capture_logs() as logs:
        await repair.look()
        await repair.look()
    (line,) = logs
    assert str(state.root) in line["event"]
    assert not ProxyTokens.path(state.root).exists()
    state.root.unlink()
    await repair.look()
    assert ProxyTokens.path(state.root).exists()


async def test_the_removal_of_the_state_directory_restarts_no_envoy(headgate: Headgate, state_root: Path) -> None:
    """After removals while Headgate runs, starting Envoys connect, and the next run adopts the running ones."""
    root = state_root / "own"
    state = StateDirectory(root, Address("127.0.0.1", headgate.xds))
    headgate.arguments = ("--state-dir", str(root))
    await headgate.start()
    await headgate.condition("web", "Programmed", "True")
    for _ in range(2):
        shutil.rmtree(root)
        await eventually(state.xds_socket.exists)
        (envoy,) = (await headgate.ask("/status"))["envoys"]
        psutil.Process(envoy["pid"]).kill()
        await eventually((state.path / "default.web" / "envoy.pid").exists)
        await headgate.answers("/a", 200)
    await headgate.condition("web", "Programmed", "True")
    (running,) = (await headgate.ask("/status"))["envoys"]
    assert running["restarts"] == 2
    await headgate.end(signal.SIGKILL)
    await headgate.start()
    await headgate.condition("web", "Programmed", "True")
    (adopted,) = (await headgate.ask("/status"))["envoys"]
    assert (adopted["pid"], adopted["adopted"]) == (running["pid"], True)
