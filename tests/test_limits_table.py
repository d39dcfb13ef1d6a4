"""docs/limits.md and docs/limits-inputs.md list each limit, its default as the code has it, and a test beyond it."""

from __future__ import annotations

import ast
import pkgutil
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "docs" / "limits.md", ROOT / "docs" / "limits-inputs.md", ROOT / "docs" / "limits-waf.md"]
PACKAGES = ("headgate", "watchers", "translator", "xds")
UNITS = {"": 1, "s": 1, "min": 60, "h": 3600, "d": 86400, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
VALUE_CLASSES = ("Limits", "PoolLimits", "LeaseTimings", "Timing", "Timeouts", "Pauses", "Backoff")
"""Classes whose fields are limits; of other classes a field's default is not one."""

NO_LIMIT: Mapping[str, tuple[str, ...]] = {
    "a port number": (
        "translator.proxy.*_PORT",
        "translator.backends.own_service.PORT",
        "translator.infrastructure.rate_limit.*_PORT",
        "translator.infrastructure.waf.*_PORT",
        "translator.extensions.redirect.DEFAULT_PORTS",
        "translator.extensions.aws_ec2.PORT",
        "translator.extensions.backend_gcp.HTTPS",
        "translator.extensions.backend_static.USUAL_PORTS",
        "translator.extensions.backend_ai.HTTPS",
        "translator.explain.request.DEFAULT_PORTS",
    ),
    "the version of a form": ("translator.extensions.transformation.VERSION",),
    "from when on equal bytes are held once": ("translator.envoy.filter_configs._LONG",),
    "how many arguments a function takes": ("translator.languages.template_functions.FUNCTIONS",),
    "a default of Envoy's": ("translator.objects.headgate.outliers.BASE_MILLISECONDS",),
    "an HTTP status code": (
        "translator.envoy.route_configuration.MISDIRECTED",
        "translator.envoy.preflights.OK",
        "translator.envoy.preflights.NOT_FOUND",
        "translator.envoy.own_paths.NOT_FOUND",
        "translator.envoy.ai.model_settings.NOT_FOUND",
        "translator.envoy.ai.model_settings.FOUND",
        "translator.envoy.endpoint_picker.UNAVAILABLE",
        "translator.envoy.local_reply.*",
        "translator.envoy.filter_configs.ERROR",
        "translator.explain.*.MISSING",
        "translator.explain.destinations.NOT_FOUND",
        "translator.explain.*.MISDIRECTED",
        "translator.explain.credentials.UNAUTHORIZED",
        "translator.explain.rewrites.MOVED",
        "translator.envoy.http_filters.UNCOMPRESSIBLE",
        "translator.objects.headgate.responses.BODILESS",
        "translator.extensions.direct_response.CREATED",
        "translator.extensions.response_override.REDIRECT",
        "translator.extensions.jwt_messages.UNAUTHORIZED",
        "translator.extensions.acl.FORBIDDEN",
        "translator.extensions.client_address.FORBIDDEN",
        "headgate.waf.exchange.TOO_LARGE",
        "headgate.waf.processor.FORBIDDEN",
        "headgate.waf.*.BAD_REQUEST",
        "watchers.modules.download._REDIRECTS",
    ),
    "from when on something pays": (
        "translator.ir.route_scope.DEFAULT_SCOPED_HOSTNAMES",
        "translator.resources.route_scopes.EXACT_TO_WILDCARD",
    ),
    "what holds where a policy does not say it": (
        "translator.extensions.endpoint_health.TIMEOUT",
        "translator.objects.headgate.aibackend.EJECTION_*",
        "translator.extensions.endpoint_health.INTERVAL",
        "translator.extensions.endpoint_health.*HEALTHY",
        "translator.extensions.mcp_backend.SILENCE",
    ),
    "a default that a policy changes": (
        "translator.extensions.ai_guard.BODY_BYTES",
        "translator.waf_profile.BODY_BYTES",
        "translator.waf_profile.THRESHOLD",
    ),
    "how many arguments a directive has, or a range of ids": (
        "translator.languages.seclang.RULES",
        "translator.languages.seclang.CHANGES",
        "headgate.waf.rule_text.FIRST_ID",
    ),
    "a place in an order": (
        "translator.ir.backend.PROTOCOL",
        "translator.ir.backend.TLS",
        "translator.ir.backend.AROUND_TLS",
        "translator.ir.backend.LAST",
    ),
    "a tag or bit of DER, of protobuf's wire format or of a message": (
        "translator.gateway.x509.*",
        "translator.gateway.server_certificate._*",
        "xds.server.field_count._*",
    ),
    "a number of WebAssembly's binary format": ("translator.languages.wasm.*",),
    "a set of bytes, an instruction of an automaton, or the end of a text": (
        "translator.languages.expressions.A*",
        "translator.languages.expressions.[B-LN-Z]*",
        "translator.languages.automata.MATCH",
        "translator.extensions.ai_guard.FILTERS_OF_GUARD",
        "translator.languages.automata.END",
    ),
    "a unit, a rank or a modulus": (
        "translator.ir.route_scope.SCOPES",
        "translator.ir.route_scope.EVERY",
        "translator.policies.targets.SHARDS",
        "translator.policies.targets.LISTENERS",
        "translator.ir.http.EXPRESSION",
        "translator.envoy.route.PRIME",
        "translator.policies.effective.RANKS",
        "translator.objects.schema.scalars._UNIT",
        "translator.extensions.backend_groups.FINEST",
        "translator.extensions.ai_provider.ALL_TO_THE_FIRST",
        "translator.extensions.ai_failover.FINEST_AI",
        "translator.ir.http.MILLION",
        "translator.ir.ai.PER_USD",
        "translator.envoy.fractions._PERCENT",
        "translator.extensions.faults.BITS_OF_KIB",
        "translator.extensions.ext_auth.FIRST",
        "translator.objects.headgate.types.MILLIONTHS_OF_PERCENT",
        "translator.objects.headgate.timeouts.KIB",
        "translator.objects.headgate.rates.SECONDS",
        "translator.envoy.filter_entries.FIRST",
        "translator.envoy.ai.model_filters.*_WEIGHT",
        "translator.envoy.ai.client_errors.RANK",
        "translator.extensions.mcp_policy.*_WEIGHT",
        "translator.extensions.mcp_oauth.RANK",
        "translator.extensions.a2a_policy.WEIGHT",
        "translator.extensions.header_mutations.BEFORE_CREDENTIAL",
        "translator.extensions.client_selectors.ONE_ADDRESS",
        "translator.extensions.jwt_auth.FIRST",
        "xds.resources.snapshot.MODULUS",
    ),
    "how often something is looked at: a later look finds the same": (
        "headgate.envoy.process.POLL_INTERVAL",
        "headgate.envoy.state_repair.INTERVAL",
        "headgate.envoy.supervisor.LOG_CHECK_INTERVAL",
        "headgate.security.cluster_authority.INTERVAL",
        "translator.proxy.ACCESS_LOG_FLUSH_MILLISECONDS",
        "headgate.security.tls_folder.INTERVAL",
        "headgate.security.tls_files.RETRY_SECONDS",
        "headgate.standalone.port_retry.INTERVAL",
        "translator.envoy.overload.REFRESH_MILLISECONDS",
        "watchers.controllers.leader_election.LeaseTimings.retry",
        "watchers.files.source._TICK",
        "watchers.files.source.Timing.resync",
        "watchers.files.source.Timing.unwatched",
        "watchers.peers.membership.RENEWAL_SECONDS",
        "watchers.kubernetes.kubeconfig.REREAD_SECONDS",
        "watchers.peers.exchange.PACE_SECONDS",
        "watchers.status.writer.DELAY",
        "watchers.peers.exchange.RETRY_SECONDS",
        "watchers.files.inotify.QUIET",
        "watchers.files.inotify.LATEST",
        "watchers.files.portable_watch.STEP_MS",
    ),
    "how much is done in one go before others have their turn; the rest is done after that": (
        "headgate.controlplane.evaluator.TURN_SECONDS",
        "headgate.standalone.run.SETTLE_SECONDS",
        "headgate.admin.streaming.TURN_SECONDS",
        "watchers.files.source.Timing.together",
        "watchers.informers.informer.AT_ONCE",
        "watchers.files.documents._PIECE",
        "watchers.files.reader._PIECE",
        "xds.server.field_count.STEP",
    ),
    "a setting of the interpreter, or how a value is held in memory": (
        "headgate.process.memory.GC_THRESHOLD",
        "headgate.process.memory.MOST_READING_SECONDS",
        "headgate.process.lifecycle.SWITCH_INTERVAL",
        "translator.engine.memo.FEW",
        "xds.protocol.shared_names.FEWEST",
        "xds.protocol.fitting.ENTRY_BYTES",
    ),
    "the length of a key or of a hash": (
        "translator.envoy.secret.KEY_BYTES",
        "headgate.envoy.state.HASH_DIGITS",
        "headgate.security.proxy_tokens.KEY_BYTES",
        "headgate.security.rotation._KEY_BYTES",
    ),
    "an allowance for clocks that differ or are coarse": (
        "headgate.security.authority.BACKDATED",
        "watchers.files.reader._CLOCK_GRAIN_NS",
    ),
    "a width of the terminal": ("headgate.reporting.tables.NARROW", "headgate.commands.*.MAX_WIDTH"),
    "what Envoy does where nothing is set, to show it": (
        "translator.extensions.rate_limit_quota.REPORTING_SECONDS",
        "translator.explain.routes.DEFAULT_TIMEOUT_SECONDS",
        "translator.explain.routes.DEFAULT_IDLE_SECONDS",
        "translator.explain.matches.DENOMINATORS",
    ),
    "the bounds of a histogram": ("headgate.observability.metrics.BUCKETS", "headgate.waf.metrics.BUCKETS"),
    "how fast a measured time is forgotten": ("headgate.waf.turns.COOLING",),
    "the usual ports of schemes": ("translator.extensions.url_backends.PORTS",),
    "a number of Linux": (
        "watchers.files.inotify._*",
        "translator.extensions.client_connections._*",
    ),
    "what clients are told": ("translator.extensions.http3.MAX_AGE_SECONDS",),
    "how alike two words are": ("translator.objects.parse._LIKENESS",),
    "how far a field is looked for": ("translator.objects.schema.misplaced._BELOW",),
    "a user id, a target, or Envoy's way to say that there is no limit": (
        "translator.infrastructure.pod.USER",
        "translator.infrastructure.manifests.CPU_PERCENT",
        "translator.envoy.cluster.UNLIMITED",
        "translator.envoy.http_filters.SMALLEST_BUFFER",
    ),
}
"""Numbers in the code that bound nothing, by the reason."""


class Row(NamedTuple):
    """A row of the table.

    Attributes:
        default: what is documented.
        change: how to change it.
        beyond: what happens beyond it.
        code: the constant, with its module.
        test: a test beyond it.
    """

    default: str
    change: str
    beyond: str
    code: str
    test: str


def rows() -> list[Row]:
    """Return the rows of all tables that name a constant."""
    lines = [line for each in DOCUMENTS for line in each.read_text().splitlines()]
    cells = [[each.strip() for each in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [Row(each[1], each[2], each[3], each[4].strip("`"), each[5].strip("`")) for each in cells if "`" in each[4]]


def value(path: str) -> Any:
    """Return the value of a constant, or the default of a field."""
    holder, _, name = path.rpartition(".")
    found: Any = pkgutil.resolve_name(holder)
    fields = getattr(found, "__dataclass_fields__", {})
    defaults = getattr(found, "_field_defaults", {})
    return fields[name].default if name in fields else defaults.get(name) or getattr(found, name)


def number(text: str) -> float:
    """Return the number that a cell of the table says, in bytes or seconds where it has such a unit."""
    found = re.fullmatch(r"([0-9.,/]+) ?([a-zA-Z]*)", text)
    assert found is not None, f"write a number and a unit of {sorted(UNITS)}"
    return float(Fraction(found[1].replace(",", ""))) * UNITS[found[2]]


def numbers(path: str) -> list[float]:
    """Return the values of a constant, which is a number, a time, or several of them."""
    found = value(path)
    several = found.values() if isinstance(found, Mapping) else found if isinstance(found, tuple) else (found,)
    scale = 1000 if path.endswith("_MILLISECONDS") else 1
    return [(each.total_seconds() if isinstance(each, timedelta) else each) / scale for each in several]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.code)
def test_the_default_is_the_codes(row: Row) -> None:
    """A limit's documented default is the value in the code, and all of its row is written."""
    assert all(row)
    assert [number(each) for each in row.default.split(", ")] == pytest.approx(numbers(row.code), rel=1e-9)


@cache
def names_in(file: Path) -> frozenset[str]:
    """Return the names of the tests in a file."""
    found = ast.walk(ast.parse(file.read_text()))
    return frozenset(each.name for each in found if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.code)
def test_the_test_is_there(row: Row) -> None:
    """Each row names a test, which exists; a number that bounds nothing belongs to NO_LIMIT instead."""
    file, _, name = row.test.partition("::")
    path = ROOT / "tests" / file
    assert path.is_file(), "name a test of what happens beyond the limit, by its path in tests/"
    assert path.suffix == ".yaml" or name in names_in(path), "a test, or a golden case"


def is_number(node: ast.expr) -> bool:
    """Whether an expression is written as a number, a time, or several, with arithmetic and names at most."""
    match node:
        case ast.Constant(value=held):
            return isinstance(held, int | float) and not isinstance(held, bool)
        case ast.BinOp(left=left, right=right):
            return is_number(left) or is_number(right)
        case ast.UnaryOp(operand=operand):
            return is_number(operand)
        case ast.Tuple(elts=items) | ast.Dict(values=items):
            return bool(items) and all(map(is_number, items))
        case ast.Call(func=ast.Name(id="timedelta")):
            return True
    return False


def assigned(node: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that a statement gives a value, each with its own expression."""
    match node:
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as expression):
            yield name, expression
        case ast.Assign(targets=[ast.Name(id=name)], value=expression):
            yield name, expression
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=items)):
            for target, item in zip(targets, items, strict=True):
                if isinstance(target, ast.Name):
                    yield target.id, item


def in_code() -> Iterator[str]:
    """Yield the constants of the packages that are numbers, and the fields of classes that hold limits."""
    for path in sorted(found for each in PACKAGES for found in (ROOT / each).rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.parse(path.read_text()).body:
            yield from (f"{module}.{name}" for name, held in assigned(node) if name.isupper() and is_number(held))
            if isinstance(node, ast.ClassDef) and node.name in VALUE_CLASSES:
                fields = (each for inner in node.body for each in assigned(inner))
                public = (name for name, held in fields if is_number(held) and not name.startswith("_"))
                yield from (f"{module}.{node.name}.{name}" for name in public)


def test_each_number_is_listed_or_no_limit() -> None:
    """A constant that is a number is in the table, once, or among those that bound nothing, and not in both."""
    listed = [each.code for each in rows()]
    assert len(listed) == len(set(listed))
    patterns = [each for some in NO_LIMIT.values() for each in some]
    there = set(in_code())
    free = {each for each in there if any(fnmatchcase(each, pattern) for pattern in patterns)}
    assert there - free - set(listed) == set(), "add a row to docs/limits.md, or a reason to NO_LIMIT"
    assert set(listed) - there == set(), "the code has no such number"
    assert free & set(listed) == set()
    assert [each for each in patterns if not any(fnmatchcase(name, each) for name in there)] == []


def caches() -> Iterator[tuple[str, ast.expr, list[str]]]:
    """Yield the decorators that remember what functions return, with the function and the types of its parameters."""
    for path in (found for each in PACKAGES for found in (ROOT / each).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                types = [ast.unparse(each.annotation) for each in node.args.args if each.annotation]
                yield from ((f"{path.name}: {node.name}", each, types) for each in node.decorator_list)


def test_each_cache_is_bounded() -> None:
    """What functions returned is remembered so many times, or once for each message type, model or nothing at all."""
    kinds = ("Descriptor", "Descriptor | None", "type[Fields]")
    unbounded = {
        name
        for name, decorator, types in caches()
        if ast.unparse(decorator).removeprefix("functools.") in ("cache", "lru_cache(maxsize=None)", "lru_cache(None)")
        and not set(types) <= set(kinds)
    }
    # A name of which there is no message type raises, which is not remembered.
    assert unbounded == {"validate.py: _type_named"}
