"""Issuing of certificates for `headgate certs`: an authority, the server's certificate, and those of proxies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from headgate.security.authority import KeyPair, issue_proxy, issue_server, make_authority
from headgate.security.tls_folder import AUTHORITY, SERVER, proxy_name, read_pair, write_pair


def issue(folder: Path, names: list[str], gateways: Iterable[str]) -> Iterator[str]:
    """Write key pairs into a folder, by its authority or a new one; return a description of what was written.

    Args:
        folder: the folder, which is created if it does not exist.
        names: the DNS names and IP addresses of the server.
        gateways: Gateways whose proxies get a certificate, as "namespace/name".

    Raises:
        OSError: the folder or a file cannot be written or read.
        ValueError: a name is invalid, or a file is not part of a key pair.
    """
    now = datetime.now(UTC)
    folder.mkdir(parents=True, exist_ok=True)
    authority = read_pair(folder, AUTHORITY)
    if authority is not None:
        try:
            authority.check_authority()
        except ValueError as error:
            pair = f"{folder / AUTHORITY}.crt and .key"
            raise ValueError(
                f"{pair} are no authority: {error}; mend them, or remove both to have others made"
            ) from None
        yield f"using {folder / AUTHORITY}.crt"
    else:
        authority = make_authority(now)
        yield _write(folder, AUTHORITY, authority)
    yield _write(folder, SERVER, issue_server(authority, names, now))
    for each in gateways:
        yield _write(folder, proxy_name(each), issue_proxy(authority, each, now))


def _write(folder: Path, name: str, pair: KeyPair) -> str:
    write_pair(folder, name, pair)
    return f"wrote {folder / name}.crt and .key, valid until {pair.expires:%Y-%m-%d}"
