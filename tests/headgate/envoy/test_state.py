"""The state directory is private, held by one process at a time, and its paths fit Unix sockets."""

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


def test_one_process_holds_an_address(state_root: Path) -> None:
    """A second process on one xDS address is told who holds it and the way out; when that is killed, it may go on."""
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


def test_a_lock_that_cannot_be_made_is_told(state_root: Path) -> None:
    """Where there is no room even for the lock, the message names it and the way out."""
    state = StateDirectory(state_root, XDS)
    (state.path / "lock").mkdir()
    with pytest.raises(UserError, match=r"cannot make .*/lock: Is a directory; .*HEADGATE_STATE_DIR"):
        state.lock().__enter__()


def test_state_is_private(state_root: Path) -> None:
    """No other user can read the state, not even where the directory was there before with other rights."""
    shared = state_root / "shared"
    shared.mkdir(mode=0o755)
    state = StateDirectory(shared, XDS)
    own = state.gateway("default/web")
    own.make()
    for path in (shared, state.path, own.path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_state_that_is_made_anew_is_private(state_root: Path) -> None:
    """A Gateway's directory whose parents were removed is made with parents that no other user can read."""
    state = StateDirectory(state_root / "own", XDS)
    shutil.rmtree(state.root)
    own = state.gateway("default/web")
    own.make()
    for path in (state.root, state.path, own.path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_link_is_not_followed(state_root: Path) -> None:
    """A link in the place of the directory, as another user could put into /tmp, is refused."""
    (state_root / "link").symlink_to(state_root)
    with pytest.raises(UserError, match="no directory of yours"):
        StateDirectory(state_root / "link", XDS)


def test_a_place_that_cannot_be_written_is_told(state_root: Path) -> None:
    """Where the directory cannot be made the message names it and the way out."""
    (state_root / "file").touch()
    with pytest.raises(UserError, match=r"file/state: Not a directory.*HEADGATE_STATE_DIR"):
        StateDirectory(state_root / "file" / "state", XDS)


def test_long_names_fit_a_socket(state_root: Path) -> None:
    """However long a Gateway's name, its admin socket can be bound, and two Gateways never share a directory."""
    state = StateDirectory(state_root, XDS)
    long = [state.gateway(f"{'n' * 63}/{'x' * 200}{digit}").admin_socket for digit in "12"]
    assert all(len(str(path)) <= MAX_SOCKET_PATH for path in long)
    assert long[0] != long[1]


def test_a_place_too_deep_for_sockets_is_told(state_root: Path) -> None:
    """Where no Unix socket can be bound the message says so."""
    with pytest.raises(UserError, match="too long for a Unix socket"):
        StateDirectory(state_root / ("d" * 100), XDS)


def test_the_default_place_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """HEADGATE_STATE_DIR comes before XDG_RUNTIME_DIR, before XDG_STATE_HOME, before a private directory in /tmp."""
    for variable in ("HEADGATE_STATE_DIR", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    assert default_root().name.startswith("headgate-")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_root() == tmp_path / "headgate"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "missing"))
    assert default_root() == tmp_path / "headgate"
    monkeypatch.setenv("HEADGATE_STATE_DIR", str(tmp_path / "mine"))
    assert default_root() == tmp_path / "mine"


async def test_what_is_removed_is_restored(state_root: Path) -> None:
    """The key of the tokens and the lock come back as they were; what is whole is left alone."""
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


async def test_what_cannot_be_restored_is_told_once(state_root: Path) -> None:
    """A file in the place of the state directory is told once, and when it is gone the directory is restored."""
    state = StateDirectory(state_root / "own", XDS)
    repair = StateRepair(state, ProxyTokens.load(state.root), lambda: (), None)
    shutil.rmtree(state.root)
    state.root.touch()
    with capture_logs() as logs:
        await repair.look()
        await repair.look()
    (told,) = logs
    assert str(state.root) in told["event"]
    assert not ProxyTokens.path(state.root).exists()
    state.root.unlink()
    await repair.look()
    assert ProxyTokens.path(state.root).exists()


async def test_a_state_directory_that_is_removed_replaces_no_envoy(headgate: Headgate, state_root: Path) -> None:
    """Twice removed while Headgate runs: Envoys that start connect, and the next run adopts those that run."""
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
