"""The command line of `python -m bench`."""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.workload import QUICK, Implementation, Options, Workload

IN_CLUSTER = """
in a cluster (--only cluster; KUBECONFIG names it), once for each implementation:
  --implementation NAME --gateway NAMESPACE/NAME --address HOST:PORT
  [--process TEXT] [--proxy-process TEXT] [--backend SERVICE:PORT] [--install COMMAND]
"""


class _Begin(argparse.Action):
    """Begins a further implementation."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, [*getattr(namespace, self.dest), {"name": values}])


class _Member(argparse.Action):
    """Sets a member of the implementation that was begun last."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        if not namespace.implementations:
            parser.error(f"{option_string} comes after the --implementation that it belongs to")
        namespace.implementations[-1][self.dest] = values


def parser(workloads: Iterable[Workload[Any]]) -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    known = "\n".join(f"  {each.name:<18}{each.summary}" for each in workloads)
    made = argparse.ArgumentParser(
        "python -m bench",
        description="Measure Headgate on this machine, beside an oracle that does the least that is possible.",
        epilog=f"workloads:\n{known}\n{IN_CLUSTER}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--only", type=_words, default=(), metavar="NAME,…", help="these workloads alone")
    made.add_argument("--quick", action="store_true", help="few samples of small sizes: a minute or two a workload")
    made.add_argument("--sizes", type=_numbers, metavar="N,…", help="numbers of routes")
    made.add_argument("--streams", type=_numbers, metavar="N,…", help="numbers of xDS streams")
    for name in ("samples", "changes", "objects", "seconds"):
        made.add_argument(f"--{name}", type=int, metavar="N", help=f"see {name} in bench/workload.py")
    made.add_argument("--json", type=Path, metavar="PATH", help="write all results to a file")
    made.add_argument("--plot", type=Path, metavar="FOLDER", help="draw the propagation of a run as SVG, into a folder")
    made.add_argument("--from", type=Path, metavar="PATH", dest="read", help="draw the results of a file of --json")
    made.add_argument("--implementation", action=_Begin, dest="implementations", default=[], help=argparse.SUPPRESS)
    for option, member in (
        ("--gateway", "gateway"),
        ("--address", "address"),
        ("--process", "processes"),
        ("--proxy-process", "proxies"),
        ("--backend", "backend"),
        ("--install", "install"),
    ):
        made.add_argument(option, action=_Member, dest=member, help=argparse.SUPPRESS)
    return made


def _words(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, _words(text)))


def options(given: argparse.Namespace) -> Options:
    """Return the options of a command line.

    Raises:
        ValueError: an implementation has no Gateway or address.
    """
    base = QUICK if given.quick else Options()
    names = {each.name for each in dataclasses.fields(Options)} - {"implementations"}
    changed = {name: value for name, value in vars(given).items() if name in names and value}
    changed["kubeconfig"] = os.environ.get("KUBECONFIG", "")
    return dataclasses.replace(base, **changed, implementations=tuple(map(_implementation, given.implementations)))


def _implementation(members: dict[str, str]) -> Implementation:
    for needed in ("gateway", "address"):
        if needed not in members:
            raise ValueError(f"--implementation {members['name']} needs --{needed}")
    return Implementation(**members)
