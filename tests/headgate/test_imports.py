"""Imports: a command loads no module that it does not need."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter


def imported(statement: str) -> Counter[str]:
    """Return the number of loaded modules of each package after a statement, in a new process."""
    code = f"{statement}\nimport sys\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return Counter(each.partition(".")[0] for each in done.stderr.split())


def test_the_command_line_imports_no_more_than_it_needs() -> None:
    """Versions, help and shell completion import neither servers, Kubernetes, Envoy's API nor cryptography."""
    found = imported("import headgate.cli, headgate.commands.version")
    assert found["headgate"] > 10
    heavy = {"aiohttp", "cryptography", "google", "grpc", "kubernetes_asyncio", "headgate_proto", "pydantic", "xds"}
    assert found.keys() & heavy == set()


def test_the_controller_imports_what_it_uses_of_its_libraries() -> None:
    """The controller imports those of Envoy's 557 files that filters need, and no models of kubernetes-asyncio."""
    found = imported(
        "import headgate.cluster.controller, gc, sys, types\n"
        "for each in gc.get_objects():\n"
        "    if isinstance(each, types.ModuleType): sys.modules.setdefault(each.__name__, each)"
    )
    assert found["grpc"] > 1
    assert 10 < found["headgate_proto"] < 600
    assert 3 < found["kubernetes_asyncio"] < 20


def test_the_controller_imports_nothing_that_it_does_not_run() -> None:
    """A controller loads nothing that draws on terminals, watches files, finds processes or compiles texts of users."""
    found = imported("import headgate.cli, headgate.cluster.controller")
    assert found["structlog"] > 10
    assert found.keys() & {"rich", "pygments", "urllib3", "watchfiles", "psutil", "re2", "cel_expr_python"} == set()
    assert found.keys() & {"botocore", "kubernetes", "multiprocessing", "unittest", "jinja2", "lupa"} == set()


def test_what_was_left_out_of_an_import_can_be_imported_later() -> None:
    """Commands that print tables have rich, and libraries that need urllib3 have all of it."""
    found = imported("import headgate.cli, headgate.cluster.controller, rich.console, urllib3.util, structlog.dev")
    assert found["rich"] > 10
    assert found["urllib3"] > 10


def test_the_translator_imports_neither_grpc_nor_asyncio() -> None:
    """The translator imports the resources of the xDS library, and not its server."""
    found = imported("import translator.translator")
    assert found["xds"] > 5
    assert found.keys() & {"asyncio", "grpc", "aiohttp", "structlog", "kubernetes_asyncio"} == set()


def test_validators_of_kinds_are_made_when_objects_need_them() -> None:
    """A start makes the validators of few models: most kinds have no object."""
    done = subprocess.run([sys.executable, "-c", _COMPLETE], capture_output=True, text=True, check=True)
    complete, models = map(int, done.stdout.split())
    assert models > 400
    assert complete < models / 10


_COMPLETE = """
import headgate.cluster.controller
from translator.objects.schema.base import Fields

models = {Fields}
while (more := models.union(*(each.__subclasses__() for each in models))) != models:
    models = more
print(sum(each.__pydantic_complete__ for each in models), len(models))
"""


def test_imports_leave_the_garbage_collector_as_the_process_needs_it() -> None:
    """While modules are loaded no cycle is collected, and afterwards those of new objects, seldom."""
    code = (
        "import gc\n"
        "from headgate.process.memory import GC_THRESHOLD, loading\n"
        "with loading():\n"
        "    assert not gc.isenabled()\n"
        "assert gc.isenabled() and gc.get_threshold()[0] == GC_THRESHOLD and gc.get_freeze_count() > 1000"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
