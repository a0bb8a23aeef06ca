"""One JSON object a line for each request and failure; never what anybody asked or was answered."""

from __future__ import annotations

import json
import logging
import time
from typing import Any, TextIO

_FIELDS = ("id", "method", "path", "status", "key", "ms")


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Return a line."""
        entry: dict[str, Any] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        entry |= {name: value for name in _FIELDS if (value := getattr(record, name, ""))}
        if record.exc_info and record.exc_info[0] is not None:  # the kind and the place: a message may quote a prompt
            entry["error"] = record.exc_info[0].__name__
            last = record.exc_info[2]
            while last is not None and last.tb_next is not None:
                last = last.tb_next
            if last is not None:
                entry["place"] = f"{last.tb_frame.f_code.co_filename.rpartition('/')[2]}:{last.tb_lineno}"
        return json.dumps(entry, ensure_ascii=False)


def log_to(stream: TextIO) -> None:
    """Write the service's log to a stream, the web server's own warnings included."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Lines())
    for name in ("gatllm.service", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
    logging.getLogger("gatllm.service").setLevel(logging.INFO)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
