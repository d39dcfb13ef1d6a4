"""Where what must outlive Headgate is kept: one directory per xDS address, in it one per Gateway.

STATE/127.0.0.1-18000/lock                       held by the `headgate run` that serves the address
STATE/127.0.0.1-18000/default.web/bootstrap.json what its Envoy was started with
                                 /launch.json    how it was started
                                 /envoy.pid      its process id
                                 /envoy.log      what it says (bounded; the last run's is envoy.log.1)
                                 /admin.sock     its admin interface: curl --unix-socket admin.sock http://envoy/stats
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headgate.address import Address
from headgate.errors import UserError

#: The longest path that a Unix socket can be bound to, in bytes (`sun_path` of unix(7): 107 on Linux, 103 on macOS).
MAX_SOCKET_PATH = 103


def default_root() -> Path:
    """The directory for state: `HEADGATE_STATE_DIR`, else by the XDG base directories, else a private one in /tmp."""
    if named := os.environ.get("HEADGATE_STATE_DIR"):
        return Path(named).expanduser().absolute()
    for variable in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME"):
        base = os.environ.get(variable)
        if base and os.access(base, os.W_OK | os.X_OK):
            return Path(base).absolute() / "headgate"
    return Path(tempfile.gettempdir()) / f"headgate-{os.getuid()}"


@dataclass(frozen=True, slots=True)
class GatewayState:
    """The directory of one Gateway's Envoy.

    Attributes:
        gateway: "namespace/name".
        path: the directory; made by `create`.
    """

    gateway: str
    path: Path

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
        """What the Envoy writes to its standard output and error."""
        return self.path / "envoy.log"

    @property
    def admin_socket(self) -> Path:
        """The Unix socket of Envoy's admin interface."""
        return self.path / "admin.sock"


class StateDirectory:
    """The state of one xDS address.

    Args:
        root: as of `default_root`; made when missing, with mode 0700.
        xds: the address that tells this directory from those of other `headgate run` on the machine.

    Raises:
        UserError: it cannot be made, or belongs to someone else.
    """

    def __init__(self, root: Path, xds: Address) -> None:
        self.path = root.absolute() / str(xds).replace("[", "").replace("]", "").replace(":", "-")
        self._xds = xds
        _make_private(root.absolute())
        _make_private(self.path)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the directory for this process; the kernel lets go of it however the process ends.

        Raises:
            UserError: another process holds it; the message names it.
        """
        with open(self.path / "lock", "a+", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "unknown"
                raise UserError(
                    f"another `headgate run` (process {holder}) serves {self._xds} already; "
                    "stop it, or give this one an --xds-address and an --admin-address of its own"
                ) from None
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield

    def gateway(self, gateway: str) -> GatewayState:
        """The state of the Gateway "namespace/name"; its directory is made when missing."""
        namespace, _, name = gateway.partition("/")
        # A namespace has no dot, so the first one divides.
        path = self.path / f"{namespace}.{name}"
        if len(os.fsencode(path / "admin.sock")) > MAX_SOCKET_PATH:
            path = self.path / hashlib.sha256(gateway.encode()).hexdigest()[:12]
        if len(os.fsencode(path / "admin.sock")) > MAX_SOCKET_PATH:
            raise UserError(f"the path {path} is too long for a Unix socket; give a shorter one in HEADGATE_STATE_DIR")
        _make_private(path)
        return GatewayState(gateway, path)

    def leftovers(self, gateways: set[str]) -> list[GatewayState]:
        """The states of Gateways, kept from an earlier run, that are not among `gateways`."""
        wanted = {self.gateway(gateway).path for gateway in gateways}
        found = sorted(entry for entry in self.path.iterdir() if entry.is_dir() and entry not in wanted)
        return [GatewayState(path.name.replace(".", "/", 1), path) for path in found]


def _make_private(path: Path) -> None:
    """Makes a directory that only we can read, and refuses one that another user could have put there."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise UserError(
            f"cannot make the state directory {path}: {error.strerror}; name another one in HEADGATE_STATE_DIR"
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise UserError(
            f"the state directory {path} is no directory of yours; remove it, or name another one in HEADGATE_STATE_DIR"
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        path.chmod(0o700)
