"""The log of a server: one line of JSON for each record, without a word of any conversation."""

import json
import logging
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class JsonLines(logging.Formatter):
    """Writes records as lines of JSON. Of an error it writes where it came from, not what it says."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of *record*."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            **(getattr(record, "request", None) or {"message": record.getMessage()}),
        }
        if record.exc_info and record.exc_info[0]:
            line["error"] = _shown(record.exc_info)
        return json.dumps(line)


def _shown(raised: Raised) -> str:
    """Return the kind of an error and the lines of code that it passed."""
    kind, _, trace = raised
    frames = "".join(traceback.format_tb(trace))
    return f"{kind.__name__ if kind else ''}\n{frames}"


LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": f"{__name__}.JsonLines"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "loggers": {
        "zep_memory_plugin": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "uvicorn": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
    },
}
"""What a server that runs by itself logs, and where to."""
