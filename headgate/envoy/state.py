"""The state directory, which outlives Headgate: one directory per xDS address, and in it one per Gateway.

STATE/token.key                                  the key of the tokens that authenticate Envoys
STATE/127.0.0.1-18000/lock                       held by the `headgate run` that serves the address
STATE/127.0.0.1-18000/xds.sock                   the socket of the xDS server
STATE/127.0.0.1-18000/default.web/bootstrap.json the bootstrap of its Envoy
                                 /launch.json    the command line
                                 /envoy.pid      its process id
                                 /envoy.log      its log (bounded; the previous one is envoy.log.1)
                                 /access.log     its standard output, where requests are logged (bounded likewise)
                                 /admin.sock     its admin interface: curl --unix-socket admin.sock http://envoy/stats
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from headgate.process.address import Address
from headgate.process.errors import UserError

#: The longest path that a Unix socket can be bound to, in bytes (`sun_path` of unix(7): 107 on Linux, 103 on macOS).
MAX_SOCKET_PATH = 103

#: The length of the name of a Gateway's directory whose own name would make the path too long.
HASH_DIGITS = 12


@dataclass(frozen=True, slots=True)
class GatewayState:
    """The directory of one Gateway's Envoy.

    Attributes:
        gateway: "namespace/name".
        path: the directory; created by `make`.
    """

    gateway: str
    path: Path

    def make(self) -> None:
        """Create the directory if it does not exist.

        Raises:
            UserError: it cannot be created, or belongs to another user.
        """
        # Not with `parents`, which creates directories that others can read.
        for each in (self.path.parent.parent, self.path.parent):
            if not each.exists():
                make_private(each)
        make_private(self.path)

    @property
    def bootstrap(self) -> Path:
        """The bootstrap that the Envoy was started with."""
        return self.path / "bootstrap.json"

    @property
    def launch(self) -> Path:
        """The command that the Envoy was started with."""
        return self.path / "launch.json"

    @property
    def pid(self) -> Path:
        """The process id, a line of digits."""
        return self.path / "envoy.pid"

    @property
    def log(self) -> Path:
        """The log of Envoy's standard error."""
        return self.path / "envoy.log"

    @property
    def access_log(self) -> Path:
        """The log of Envoy's standard output: the requests that it has served."""
        return self.path / "access.log"

    @property
    def logs(self) -> tuple[Path, Path]:
        """Both logs."""
        return self.log, self.access_log

    @property
    def admin_socket(self) -> Path:
        """The Unix socket of Envoy's admin interface."""
        return self.path / "admin.sock"


class StateDirectory:
    """The state of one xDS address.

    Args:
        root: the root, by default `default_root`; created if it does not exist, with mode 0700.
        xds: the xDS address, which distinguishes this directory from those of other `headgate run` on the machine.

    Attributes:
        root: the directory that all addresses share.
        path: the directory of this address.

    Raises:
        UserError: it cannot be created, belongs to another user, or its path is too long for Unix sockets.
    """

    def __init__(self, root: Path, xds: Address) -> None:
        self.root = root.absolute()
        self.path = self.root / str(xds).replace("[", "").replace("]", "").replace(":", "-")
        self._xds = xds
        if not _fits(self.path / ("x" * HASH_DIGITS)):
            raise UserError(
                f"the path {self.path} is too long for a Unix socket; "
                "give a shorter one with --state-dir (HEADGATE_STATE_DIR)"
            )
        self.make()

    def make(self) -> None:
        """Create the directories if they do not exist.

        Raises:
            UserError: they cannot be created, or belong to another user.
        """
        make_private(self.root)
        make_private(self.path)

    @property
    def lock_file(self) -> Path:
        """The lock file of the process that serves the address."""
        return self.path / "lock"

    @property
    def xds_socket(self) -> Path:
        """The Unix socket by which the Envoys of this directory connect to Headgate."""
        return self.path / "xds.sock"

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the directory for this process; the kernel releases the lock when the process ends.

        Raises:
            UserError: another process has locked it; the message names it.
        """
        path = self.lock_file
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise UserError(
                f"cannot make {path}: {error.strerror}; make room, "
                "or name another directory with --state-dir (HEADGATE_STATE_DIR)"
            ) from error
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
                raise UserError(
                    f"another `headgate run` (process {holder}) serves {self._xds} already; "
                    "stop it, or give this one an --xds-address and an --admin-address of its own"
                ) from None
            with contextlib.suppress(OSError):  # the lock is held on a full disk, too
                os.ftruncate(lock, 0)
                os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(lock)

    def gateway(self, gateway: str) -> GatewayState:
        """Return the state of the Gateway "namespace/name"; create nothing."""
        namespace, _, name = gateway.partition("/")
        # A namespace has no dot, so that the first dot is the separator.
        path = self.path / f"{namespace}.{name}"
        if not _fits(path):
            path = self.path / hashlib.sha256(gateway.encode()).hexdigest()[:HASH_DIGITS]
        return GatewayState(gateway, path)

    def existing(self, others: Iterable[Path] = ()) -> list[GatewayState]:
        """Return the states of all Gateways of an earlier run.

        Args:
            others: known directories of Gateways, which may be missing on the disk.
        """
        found = {entry for entry in self.path.iterdir() if entry.is_dir()}
        return [_state(path) for path in sorted(found | {each for each in others if each.parent == self.path})]


def _state(path: Path) -> GatewayState:
    """Return the state of the Gateway of a directory."""
    state = GatewayState(path.name.replace(".", "/", 1), path)
    try:
        return GatewayState(str(json.loads(state.launch.read_bytes())["gateway"]), path)
    except (OSError, ValueError, LookupError, TypeError):  # missing, or of another form
        return state


def write_private(path: Path, content: str) -> None:
    """Write a file atomically, readable for its owner only, unless it already has this content.

    Raises:
        OSError: it cannot be written; an earlier file is unchanged.
    """
    data = content.encode()
    with contextlib.suppress(OSError):
        if path.read_bytes() == data:
            return
    partial = path.with_name(f".{path.name}.new")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from error


def _fits(directory: Path) -> bool:
    """Return whether the path of a Unix socket in a Gateway's directory is short enough."""
    return len(os.fsencode(directory / "admin.sock")) <= MAX_SOCKET_PATH


def make_private(path: Path) -> None:
    """Create a directory with mode 0700; raise if another user owns it."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise UserError(
            f"cannot make the state directory {path}: {error.strerror}; "
            "name another one with --state-dir (HEADGATE_STATE_DIR)"
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise UserError(
            f"the state directory {path} is no directory of yours; remove it, "
            "or name another one with --state-dir (HEADGATE_STATE_DIR)"
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        path.chmod(0o700)
