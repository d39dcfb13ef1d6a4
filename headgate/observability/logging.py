"""Logging to standard error: text on a terminal, JSON elsewhere."""

from __future__ import annotations

import logging
import sys
from enum import StrEnum

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from headgate.observability.encoding import to_json
from translator.refs import Ref


class LogFormat(StrEnum):
    """Log formats."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    """Log levels."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def configure(form: LogFormat, level: LogLevel) -> None:
    """Configure logging of the process and of its libraries, which use the standard library.

    Args:
        form: the format; `AUTO` is `CONSOLE` if standard error is a terminal, else `JSON`.
        level: the lowest level of Headgate's own lines; libraries log warnings and errors only.
    """
    people = form is LogFormat.CONSOLE or (form is LogFormat.AUTO and sys.stderr.isatty())
    enrich: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper("%H:%M:%S" if people else "iso", utc=not people),
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=enrich,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_for_people(sys.stderr.isatty()) if people else _for_machines()),
            ],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("headgate").setLevel(level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *enrich,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def about(ref: Ref | None) -> dict[str, str]:
    """Return the fields of a JSON log line that name its object; text lines name it in the message."""
    return {"kind": ref.kind, "namespace": ref.namespace, "name": ref.name} if ref else {}


#: Fields that only machines need separately.
FOR_MACHINES = frozenset({"kind", "namespace", "name", "file", "line", "reason"})


def _for_people(colors: bool) -> list[Processor]:
    render = structlog.dev.ConsoleRenderer(
        colors=colors, pad_event_to=0, pad_level=False, exception_formatter=structlog.dev.plain_traceback
    )

    def lists_below(logger: WrappedLogger, method: str, event: EventDict) -> str:
        """Write list values on separate lines, and leave out the fields that only machines need."""
        for key in FOR_MACHINES & event.keys():
            del event[key]
        lists = [event.pop(key) for key in [key for key, value in event.items() if isinstance(value, list)]]
        return "\n         ".join([str(render(logger, method, event)), *(line for lines in lists for line in lines)])

    return [lists_below]


def _for_machines() -> list[Processor]:
    return [
        structlog.processors.EventRenamer("message"),
        # Tracebacks as text: structured ones contain local variables, which may be secrets.
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(serializer=lambda data, **_: to_json(data).decode()),
    ]
