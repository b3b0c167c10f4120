"""The log as the product writes it: through its own formatter, line by line."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from structlog.stdlib import ProcessorFormatter


class Written(io.StringIO):
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@contextmanager
def written_log() -> Iterator[Written]:
    """What is logged in a block, with our own loggers at DEBUG."""
    root, ours, output = logging.getLogger(), logging.getLogger("supportdesk"), Written()
    formatter = next(one.formatter for one in root.handlers if isinstance(one.formatter, ProcessorFormatter))
    handler, level = logging.StreamHandler(output), ours.level
    handler.setFormatter(formatter)
    root.addHandler(handler)
    ours.setLevel(logging.DEBUG)
    try:
        yield output
    finally:
        ours.setLevel(level)
        root.removeHandler(handler)
