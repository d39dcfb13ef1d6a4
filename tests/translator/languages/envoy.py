"""What a real Envoy says about many configurations at once: listeners from a file, each taken or refused by itself."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict

from headgate_proto.envoy.config.core.v3.substitution_format_string_pb2 import SubstitutionFormatString
from headgate_proto.envoy.config.listener.v3.listener_pb2 import Listener
from headgate_proto.envoy.extensions.filters.http.router.v3.router_pb2 import Router
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)

_REFUSED = re.compile(r"lds: listener '(\d+)' config rejected: (.*)")
_READ = "all dependencies initialized. starting workers"


def manager() -> HttpConnectionManager:
    """Return a connection manager that answers by itself."""
    made = HttpConnectionManager(stat_prefix="a")
    host = made.route_config.virtual_hosts.add(name="a", domains=["*"])
    host.routes.add().match.prefix = "/"
    host.routes[0].direct_response.status = 200
    made.http_filters.add(name="router").typed_config.Pack(Router())
    return made


def with_format(text: str) -> HttpConnectionManager:
    """Return one that has a format in the body of its own answers."""
    made = manager()
    made.local_reply_config.body_format.CopyFrom(SubstitutionFormatString())
    made.local_reply_config.body_format.text_format_source.inline_string = text
    return made


def refused(envoy: Path, folder: Path, managers: Sequence[HttpConnectionManager]) -> Mapping[int, str]:
    """Return by place which connection managers Envoy refuses, and its error."""
    resources = [_listener(place, each) for place, each in enumerate(managers)]
    (folder / "lds.json").write_text(json.dumps({"resources": resources}))
    lds = {"path_config_source": {"path": str(folder / "lds.json")}}
    config = {"node": {"id": "a", "cluster": "a"}, "dynamic_resources": {"lds_config": lds}}
    (folder / "bootstrap.json").write_text(json.dumps(config))
    options = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "info"]
    command = [str(envoy), *options, "--config-path", str(folder / "bootstrap.json")]
    found: dict[int, str] = {}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        deadline = threading.Timer(60, process.kill)
        deadline.start()
        assert process.stderr is not None
        for line in process.stderr:
            if match := _REFUSED.search(line):
                found[int(match[1])] = match[2]
            if _READ in line:
                break
        else:
            raise AssertionError("Envoy ended before it had read its listeners")
        deadline.cancel()
        process.terminate()
        process.stderr.read()
    return found


def _listener(place: int, each: HttpConnectionManager) -> dict[str, Any]:
    made = Listener(name=str(place))
    made.bind_to_port.value = False
    made.address.socket_address.address = "127.0.0.1"
    made.address.socket_address.port_value = 1 + place
    made.filter_chains.add().filters.add(name="hcm").typed_config.Pack(each)
    return {"@type": f"type.googleapis.com/{Listener.DESCRIPTOR.full_name}", **MessageToDict(made)}
