"""JSON log lines that carry the request's id and no personal data.

Tracebacks name frames and lines but not local variables; query strings and bodies are never logged.
"""

import structlog
from structlog.typing import Processor

PROCESSORS: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.ExceptionRenderer(
        structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=30)
    ),
]
