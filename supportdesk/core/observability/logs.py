"""JSON log lines that carry the request's id and no personal data.

Exceptions are told by type and frames, without their texts and without local variables: texts quote what was worked on
(`KeyError: 'zoe@example.com'`, PostgreSQL's `Key (email)=(…)`), and nobody can know which. What is known to be harmless
of a database or system error stands beside the type. Query strings and bodies are never logged.
"""

import errno
import sys
from collections.abc import Iterator
from traceback import walk_tb
from types import TracebackType
from typing import Any

import psycopg
import structlog
from structlog.typing import EventDict, ExcInfo, Processor

MOST_FRAMES = 30  # the outermost and the innermost half of them

log = structlog.get_logger("supportdesk.process")


def told_without_texts(exc_info: ExcInfo) -> list[dict[str, Any]]:
    """The exception and what led to it, innermost cause last: types, frames, and what `_facts` knows of each."""
    return [{"type": _name(type(error)), **_facts(error), "frames": _frames(error)} for error in _chain(exc_info[1])]


def without_values(logger: object, method: str, event: EventDict) -> EventDict:
    """A line of somebody else's code that carries an exception keeps the words it was written with and loses what was
    filled in, which is the exception's text more often than not.
    """
    record = event["_record"]
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        event["event"] = _without(str(record.msg), error)
    return event


def log_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """`sys.excepthook` of commands in production: the last words of a command end in a log as well."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    log.critical("crashed", exc_info=(kind, error, trace))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    met: set[int] = set()
    while error is not None and id(error) not in met:
        met.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _facts(error: BaseException) -> dict[str, Any]:
    match error:
        case psycopg.Error():
            names = {"constraint": error.diag.constraint_name, "table": error.diag.table_name}
            return {"sqlstate": error.sqlstate, **{name: value for name, value in names.items() if value}}
        case OSError() if error.errno:
            return {"errno": errno.errorcode.get(error.errno, str(error.errno))}
        case BaseExceptionGroup():
            inner = [told_without_texts((type(one), one, one.__traceback__)) for one in error.exceptions]
            return {"exceptions": inner}
    return {}


def _frames(error: BaseException) -> list[str]:
    frames = [
        f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}" for frame, line in walk_tb(error.__traceback__)
    ]
    half = MOST_FRAMES // 2
    return frames if len(frames) <= MOST_FRAMES else [*frames[:half], "…", *frames[-half:]]


def _name(kind: type[BaseException]) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _without(text: str, error: BaseException) -> str:
    for part in (repr(error), str(error)):
        text = text.replace(part, type(error).__name__) if part else text
    return text


PROCESSORS: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.ExceptionRenderer(told_without_texts),
]
