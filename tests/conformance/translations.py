"""Run `headgate translate --to status` again and again: a JSON list of objects a line in, their statuses a line out."""

from __future__ import annotations

import json
import sys

from typer.testing import CliRunner

from headgate.cli import app

for line in sys.stdin:
    result = CliRunner().invoke(app, ["translate", "-f", "-", "--to", "status", "-o", "json"], input=line)
    print(json.dumps(json.loads(result.stdout)), flush=True)
