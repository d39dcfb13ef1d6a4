"""Certificates in a folder are renewed in time, and a running Envoy uses the new one."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
from cryptography import x509
from google.protobuf import json_format
from structlog.testing import capture_logs

from headgate.envoy.bootstrap import bootstrap
from headgate.process.address import Address
from headgate.security.authority import issue_server, make_authority
from headgate.security.tls_folder import proxy_files, proxy_name, read_pair, renew, write_pair
from tests.headgate.security.test_tls import make

NOW = datetime.now(UTC)
DUE = NOW + timedelta(days=61)


def serial(path: Path) -> str:
    """Return the serial number of a certificate, in Envoy's form."""
    return f"{x509.load_pem_x509_certificate(path.read_bytes()).serial_number:x}"


def names(path: Path) -> list[str]:
    """Return the names in a certificate."""
    found = x509.load_pem_x509_certificate(path.read_bytes())
    return [str(each.value) for each in found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value]


def test_due_certificates_are_renewed_for_the_same_names(tmp_path: Path) -> None:
    """In the last third of their validity, the server's and the proxies' certificates are replaced, not before."""
    make(tmp_path, "default/web")
    paths = [tmp_path / "server.crt", tmp_path / "default.web.crt"]
    before = [(serial(each), names(each)) for each in paths]
    renew(tmp_path, NOW + timedelta(days=59))
    assert [(serial(each), names(each)) for each in paths] == before
    renew(tmp_path, DUE)
    for path, (old, same) in zip(paths, before, strict=True):
        assert serial(path) != old
        assert names(path) == same
        found = read_pair(tmp_path, path.stem)
        assert found is not None
        found.check()


def test_certificates_of_other_authorities_are_not_renewed(tmp_path: Path) -> None:
    """Another authority's certificate, or an invalid one, is reported or skipped; the others are renewed."""
    make(tmp_path, "default/web")
    write_pair(tmp_path, "server", issue_server(make_authority(NOW), ["localhost"], NOW))
    (tmp_path / "broken.crt").write_text("none")
    (tmp_path / "broken.key").write_text("none")
    theirs, ours = serial(tmp_path / "server.crt"), serial(tmp_path / "default.web.crt")
    with capture_logs() as logs:
        renew(tmp_path, DUE)
    assert serial(tmp_path / "server.crt") == theirs
    assert serial(tmp_path / "default.web.crt") != ours
    assert [each["certificate"] for each in logs if each["log_level"] == "warning"] == [str(tmp_path / "broken.crt")]


def test_without_the_authority_s_key_nothing_is_renewed(tmp_path: Path) -> None:
    """If the key is stored elsewhere, certificates are renewed there."""
    make(tmp_path, "default/web")
    (tmp_path / "ca.key").unlink()
    before = serial(tmp_path / "default.web.crt")
    renew(tmp_path, DUE)
    assert serial(tmp_path / "default.web.crt") == before


def test_the_longest_names_have_files(tmp_path: Path) -> None:
    """A Gateway with the longest possible names has a certificate, with files that no other one has."""
    long = [f"{'n' * 63}/{'x' * 252}{digit}" for digit in "12"]
    make(tmp_path, *long)
    assert proxy_name(long[0]) != proxy_name(long[1])
    assert names(proxy_files(tmp_path, long[0]).certificate)[0].endswith("x1")


async def test_a_running_envoy_uses_the_new_certificate(tmp_path: Path, envoy_path: Path, state_root: Path) -> None:
    """An Envoy with a bootstrap of Headgate uses the renewed certificate without a restart."""
    make(tmp_path, "default/web")
    admin = state_root / "admin.sock"
    tls = proxy_files(tmp_path, "default/web")
    message = bootstrap("default/web", "1", Address("127.0.0.1", 1), admin, tls)
    config = state_root / "bootstrap.json"
    config.write_text(json.dumps(json_format.MessageToDict(message, preserving_proto_field_name=True)))
    arguments = ("--config-path", str(config), "--disable-hot-restart", "--concurrency", "1", "--log-level", "error")
    envoy = await asyncio.create_subprocess_exec(str(envoy_path), *arguments)
    try:
        await shows(admin, serial(tls.certificate))
        renew(tmp_path, DUE)
        await shows(admin, serial(tls.certificate))
        assert envoy.returncode is None
    finally:
        envoy.kill()
        await envoy.wait()


async def shows(admin: Path, wanted: str) -> None:
    """Wait until an Envoy uses a certificate."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with (
                    aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(admin))) as session,
                    session.get("http://envoy/certs") as response,
                ):
                    if wanted in await response.text():
                        return
            await asyncio.sleep(0.05)
