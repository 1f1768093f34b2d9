"""Logs: one event name and its fields a line, on standard error, secrets masked by one function at the edge (design section 11)."""

import json
import logging
import re
import sys
import time
from typing import Any

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_SECRET = re.compile(
    r"pass|psw|secret|apikey|token|authorization|cookie|^(key|text|mes|message|body|comment|cmt)$", re.I
)
_IN_TEXT = re.compile(r"(?i)\b(psw|password|apikey|secret|mes)=[^&\s]+|(?<=://)[^/@\s:]+:[^/@\s]+(?=@)")


def mask(name: str, value: Any) -> Any:
    """A field as it may be written: secrets and texts of messages are left out, and those hidden in an address, too."""
    if _SECRET.search(name):
        return "***"
    if isinstance(value, str):
        return _IN_TEXT.sub(lambda found: f"{found[1]}=***" if found[1] else "***", value)
    return value


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """What a call has given in ``extra``, masked."""
    return {name: mask(name, value) for name, value in record.__dict__.items() if name not in _STANDARD}


class LineFormatter(logging.Formatter):
    """``2026-11-20T12:00:00.123Z info http_listening host=127.0.0.1 port=8080``"""

    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={value}" for name, value in fields_of(record).items())
        line = f"{_stamp(record)} {record.levelname.lower()} {mask('event', record.getMessage())}"
        return self._with_traceback(record, f"{line} {fields}" if fields else line)

    def _with_traceback(self, record: logging.LogRecord, line: str) -> str:
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: at, level, event, logger, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": _stamp(record),
            "level": record.levelname.lower(),
            "event": mask("event", record.getMessage()),
            "logger": record.name,
            **fields_of(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def _stamp(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"


def set_up(level: str, as_json: bool) -> None:
    """Send everything of this level and above to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else LineFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
