"""The xDS port with TLS, with gRPC clients."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
from typer.testing import CliRunner

from headgate.cli import app
from headgate.process.errors import UserError
from headgate.security import tls_files
from headgate.security.identity import bearer, certified
from headgate.security.tls_files import TlsFiles, server_credentials
from headgate.security.tls_folder import proxy_files
from headgate_proto.envoy.service.discovery.v3 import discovery_pb2
from xds.resources.snapshot import Snapshot
from xds.resources.types import CLUSTER
from xds.server.server import Peer, Server, StreamRejected

STREAM = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"


def make(folder: Path, *gateways: str) -> None:
    """Run `headgate certs` on a folder."""
    arguments = [text for each in gateways for text in ("--gateway", each)]
    result = CliRunner().invoke(app, ["certs", str(folder), "--name", "localhost", *arguments])
    assert result.exit_code == 0, result.output


def clear(folder: Path) -> None:
    """Remove all files of a folder."""
    for each in folder.glob("*"):
        each.unlink()


def files(folder: Path, mutual: bool = True) -> TlsFiles:
    """Return the files that `headgate certs` wrote."""
    return TlsFiles(folder / "server.crt", folder / "server.key", folder / "ca.crt" if mutual else None)


async def request(
    port: int, authority: bytes, pair: tuple[bytes, bytes] | None = None, key: str = "default/web"
) -> str:
    """Request clusters as a proxy of a Gateway; return "served", or the name of the status of its rejection."""
    credentials = grpc.ssl_channel_credentials(authority, *(pair or ()))
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(STREAM)()
        request = discovery_pb2.DiscoveryRequest(type_url=CLUSTER)
        request.node.id, request.node.cluster = f"{key}/1", key
        try:
            await call.write(request.SerializeToString())
            return "served" if await call.read() is not grpc.aio.EOF else (await call.code()).name
        except grpc.aio.AioRpcError as error:
            return str(error.code().name)
        finally:
            call.cancel()


def pair(folder: Path, name: str) -> tuple[bytes, bytes]:
    """Return a key and its certificate, in gRPC's form."""
    return (folder / f"{name}.key").read_bytes(), (folder / f"{name}.crt").read_bytes()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """Run a server with mutual TLS that serves the Gateways default/web and default/other."""
    make(tmp_path, "default/web", "default/other")
    made = Server(
        lambda node: node.cluster,
        address="localhost:0",
        credentials=server_credentials(files(tmp_path)),
        authorise=certified,
    )
    async with made:
        made.publish("default/web", Snapshot())
        made.publish("default/other", Snapshot())
        yield made


async def test_a_proxy_has_the_resources_of_its_own_gateway(server: Server, tmp_path: Path) -> None:
    """A certificate authorises for its own Gateway, and for no other."""
    authority = (tmp_path / "ca.crt").read_bytes()
    assert await request(server.port, authority, pair(tmp_path, "default.web")) == "served"
    assert await request(server.port, authority, pair(tmp_path, "default.other")) == "PERMISSION_DENIED"
    assert await request(server.port, authority, pair(tmp_path, "default.other"), "default/other") == "served"


async def test_without_a_certificate_there_is_no_connection(server: Server, tmp_path: Path) -> None:
    """With mutual TLS, a client without a certificate, or with one of another authority, cannot connect."""
    authority = (tmp_path / "ca.crt").read_bytes()
    assert await request(server.port, authority) == "UNAVAILABLE"
    make(tmp_path / "others", "default/web")
    assert await request(server.port, authority, pair(tmp_path / "others", "default.web")) == "UNAVAILABLE"


async def test_new_files_are_used_without_a_restart(server: Server, tmp_path: Path) -> None:
    """After the files were replaced, a client that trusts only the new authority is served by the same server."""
    clear(tmp_path)
    make(tmp_path, "default/web")
    assert await request(server.port, (tmp_path / "ca.crt").read_bytes(), pair(tmp_path, "default.web")) == "served"


async def test_bad_new_files_change_nothing(server: Server, tmp_path: Path) -> None:
    """An incomplete or mismatched replacement is ignored: the last valid certificate stays in use."""
    authority, proxy = (tmp_path / "ca.crt").read_bytes(), pair(tmp_path, "default.web")
    (tmp_path / "server.crt").write_text("-----BEGIN CERTIFICATE-----\nhalf")
    assert await request(server.port, authority, proxy) == "served"
    (tmp_path / "server.key").unlink()
    assert await request(server.port, authority, proxy) == "served"


async def test_files_that_could_not_be_read_once_are_read_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New files that could not be read for a moment are used as soon as they can be, unchanged."""
    monkeypatch.setattr(tls_files, "RETRY_SECONDS", 0.0)
    clear(tmp_path)
    make(tmp_path, "default/web")
    authority, proxy = (tmp_path / "ca.crt").read_bytes(), pair(tmp_path, "default.web")
    with monkeypatch.context() as patch:
        patch.setattr(TlsFiles, "load", too_many_files)
        assert await request(server.port, authority, proxy) == "UNAVAILABLE"
    assert await request(server.port, authority, proxy) == "served"


def too_many_files(self: TlsFiles) -> None:
    """Raise the error of a process with too many open files."""
    raise OSError(errno.EMFILE, "Too many open files")


def test_unusable_files_are_an_error(tmp_path: Path) -> None:
    """A missing or mismatched file at the start is an error that names it."""
    with pytest.raises(UserError, match=r"there is no .*/server\.crt; `headgate certs .*` makes it"):
        server_credentials(files(tmp_path))
    make(tmp_path)
    (tmp_path / "server.key").write_bytes((tmp_path / "ca.key").read_bytes())
    with pytest.raises(UserError, match="not a certificate and its key"):
        server_credentials(files(tmp_path))


def test_a_file_instead_of_the_folder_is_an_error(tmp_path: Path) -> None:
    """A file in place of the certificate folder is named in the error."""
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"/file is no folder; name one that `headgate certs` made"):
        server_credentials(files(tmp_path / "file"))


def make_place(place: str, folder: Path) -> Path:
    """Create a place to which certificates cannot be written."""
    match place:
        case "file":
            folder.touch()
        case "dangling":
            folder.symlink_to("nowhere")
        case "below a file":
            folder.touch()
            return folder / "sub"
        case "folder for a file":
            (folder / "server.crt").mkdir(parents=True)
        case "spoilt":
            folder.mkdir()
            (folder / "ca.crt").touch()
            (folder / "ca.key").touch()
    return folder


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("file", "PLACE is no folder; name another one for the certificates, or remove it"),
        ("dangling", "PLACE is no folder; name another one for the certificates, or remove it"),
        ("below a file", "PLACE: Not a directory; correct that, or name another folder"),
        ("folder for a file", "PLACE/server.crt: Is a directory; correct that, or name another folder"),
        (
            "spoilt",
            "PLACE/ca.crt and .key are no authority: the key is not an unencrypted private key in PEM form; mend",
        ),
    ],
)
def test_an_unwritable_folder_is_an_error(tmp_path: Path, place: str, says: str) -> None:
    """The error of `headgate certs` has the file and the fix, without an error number."""
    folder = make_place(place, tmp_path / "tls")
    result = CliRunner().invoke(app, ["certs", str(folder)])
    assert result.exit_code == 1
    assert says.replace("PLACE", str(folder)) in result.output
    assert "Errno" not in result.output


def test_an_invalid_client_ca_is_named(tmp_path: Path) -> None:
    """If the authority of client certificates is invalid, the error names that file, and not the server's own."""
    make(tmp_path)
    (tmp_path / "ca.crt").write_bytes(b"\xff spoilt")
    with pytest.raises(ValueError, match=r"ca\.crt, which checks clients, holds no certificate"):
        files(tmp_path).load()


def test_certificates_of_own_envoys_are_issued_when_needed(tmp_path: Path) -> None:
    """With the authority's key a Gateway's certificate is issued once; without, the error says how to issue it."""
    make(tmp_path)
    first = proxy_files(tmp_path, "default/web").certificate.read_bytes()
    assert proxy_files(tmp_path, "default/web").certificate.read_bytes() == first
    (tmp_path / "ca.key").unlink()
    assert proxy_files(tmp_path, "default/web").certificate.read_bytes() == first
    with pytest.raises(UserError, match=r"headgate certs .* --gateway default/other"):
        proxy_files(tmp_path, "default/other")


def test_keys_are_readable_for_their_owner_only(tmp_path: Path) -> None:
    """No file with a private key is readable for others; the authority stays when the command runs again."""
    make(tmp_path)
    authority = (tmp_path / "ca.crt").read_bytes()
    make(tmp_path)
    assert (tmp_path / "ca.crt").read_bytes() == authority
    assert {oct(each.stat().st_mode & 0o777) for each in tmp_path.glob("*.key")} == {"0o600"}


def test_a_bearer_token_is_read_from_the_metadata() -> None:
    """The scheme's case does not matter; the error without a token says what to send."""
    assert bearer(Peer("", {}, {"authorization": "bearer abc"})) == "abc"
    for metadata in ({}, {"authorization": "Basic abc"}, {"authorization": "Bearer "}):
        with pytest.raises(StreamRejected, match="authorization: Bearer"):
            bearer(Peer("", {}, dict(metadata)))
