"""`python -m bench`: run workloads, print their tables, write JSON and drawings."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path

from bench import machine, plot, report
from bench.registry import WORKLOADS, named
from bench.workload import QUICK, Options

LIST = "\n".join(f"  {each.name:<14}{each.summary}" for each in WORKLOADS)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        "python -m bench",
        description="Measure Headgate on this machine, beside an oracle that does the least that is possible.",
        epilog=f"workloads:\n{LIST}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--only", type=_words, default=(), metavar="NAME,…", help="these workloads alone")
    made.add_argument("--quick", action="store_true", help="few samples of small sizes: a minute or two")
    made.add_argument("--sizes", type=_numbers, metavar="N,…", help="numbers of routes")
    made.add_argument("--streams", type=_numbers, metavar="N,…", help="numbers of xDS streams")
    for name in ("samples", "changes", "objects", "seconds"):
        made.add_argument(f"--{name}", type=int, metavar="N", help=f"see {name} in bench/workload.py")
    made.add_argument("--json", type=Path, metavar="PATH", help="write all results to a file")
    made.add_argument("--plot", type=Path, metavar="FOLDER", help="draw the propagation of a run as SVG, into a folder")
    made.add_argument("--from", type=Path, metavar="PATH", dest="read", help="draw the results of a file of --json")
    return made


def _words(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, _words(text)))


def options(given: argparse.Namespace) -> Options:
    """Return the options of a command line."""
    base = QUICK if given.quick else Options()
    names = {each.name for each in dataclasses.fields(Options)}
    changed = {name: value for name, value in vars(given).items() if name in names and value}
    return dataclasses.replace(base, **{"kubeconfig": os.environ.get("KUBECONFIG", ""), **changed})


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    made = parser()
    given = made.parse_args(arguments)
    try:
        chosen = named(given.only)
    except ValueError as error:
        made.error(str(error))
    if given.read:
        document = json.loads(given.read.read_text())
    else:
        here, results = machine.describe(), []
        print(here.line)
        for each in chosen:
            print(f"\n{each.name}: {each.summary}", flush=True)
            found = each.measure(options(given))
            print(report.text(each.table(found)), flush=True)
            results.append((each.name, each.summary, found))
        document = report.document(here, results)
    for folder in filter(None, (given.json and given.json.parent, given.plot)):
        folder.mkdir(parents=True, exist_ok=True)
    if given.json:
        given.json.write_text(json.dumps(document, indent=2) + "\n")
    if given.plot:
        for name, drawing in plot.drawings(document).items():
            (given.plot / name).write_text(drawing)


if __name__ == "__main__":
    main()
