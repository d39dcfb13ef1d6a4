"""`python -m bench`: run workloads, print their tables, write JSON and drawings."""

from __future__ import annotations

import json
from collections.abc import Sequence

from bench import machine, plot, report
from bench.command_line import options, parser
from bench.registry import WORKLOADS, named


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    made = parser(WORKLOADS)
    given = made.parse_args(arguments)
    try:
        chosen, wanted = named(given.only), options(given)
    except ValueError as error:
        made.error(str(error))
    if given.read:
        document = json.loads(given.read.read_text())
    else:
        here, results = machine.describe(), []
        print(here.line)
        for each in chosen:
            print(f"\n{each.name}: {each.summary}", flush=True)
            found = each.measure(wanted)
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
