"""Where `headgate validate` says that policies, and what they refer to, are wrong: line, field and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from headgate.cli import app

HEAD = """\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec:
  gatewayClassName: headgate
  listeners: [{name: http, protocol: HTTP, port: 8080}]
---
apiVersion: gateway.headgate.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: p}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}]
"""
EXTENSION = """\
---
apiVersion: gateway.headgate.dev/v1alpha1
kind: GatewayExtension
metadata: {name: login}
spec:
"""


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (
            "  basicAuth:\n    users:\n    - 'ann:{SHA}text'\n",
            15,
            "spec.basicAuth.users[0]: has no Base64 of a SHA-1 hash",
        ),
        (
            f"  oauth2: {{extensionRef: {{name: login}}}}\n{EXTENSION}  oauth2:\n    issuerURI: http://id.example.com\n"
            "    credentials: {clientID: a, clientSecretRef: {name: s}}\n",
            20,
            "spec.oauth2.issuerURI: http://id.example.com is not encrypted; use https",
        ),
        (
            "  extProc:\n  - {name: a, disable: {}}\n  - name: b\n    extensionRef: {name: nobody}\n",
            16,
            "spec.extProc[b].extensionRef: GatewayExtension default/nobody does not exist",
        ),
        (
            f"  extAuth: {{extensionRef: {{name: login}}}}\n{EXTENSION}  extAuth: {{failOpen: true}}\n",
            13,
            "GatewayExtension default/login is not valid, and never was: ",
        ),
    ],
)
def test_what_is_wrong_has_its_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    """The line is that of the value, or of the reference; the field is one that its author has written."""
    file = tmp_path / "a.yaml"
    file.write_text(HEAD + text)
    found = CliRunner().invoke(app, ["validate", "-f", str(file)]).stdout.splitlines()
    assert any(each.startswith(f"{file}:{line}: error: ") and message in each for each in found), found
