"""Logs: one event name and its fields a line, on standard error, secrets masked by one function at the edge (design section 11).

What a program says of itself is written; what came from outside (texts, passwords, keys, objects that may hold them) is
not, wherever it stands: in a field, in a message's argument, in an address, in the words of an exception.
"""

import asyncio
import ipaddress
import json
import logging
import re
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import PurePath
from types import TracebackType
from typing import Any

from heliograph.core.reasons import Refused
from heliograph.store.database import Busy, Full, Lost, StoreError

log = logging.getLogger(__name__)

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_SECRET = re.compile(
    r"pass|psw|secret|api_?key|token|authorization|cookie|^(key|text|mes|message|body|query|comment|cmt|params|headers)$",
    re.I,
)
# Parameters as they stand in a query, and login:password before the @ of an address (up to the last @ of the word).
_PARAMETER = re.compile(r"(?i)\b(psw|pass|password|api_?key|key|secret|token|mes|text|message|cmt|list)=[^&\s\"']+")
_LOGIN = re.compile(r"(?<=://)[^\s/:@\"']*:[^\s\"']*(?=@)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_WORDS = re.compile(r"[A-Za-z ]*")
_PLAIN = re.compile(r"[^\s\"=]+")
# Exceptions whose words are made by the program or the system, never of values that a request brought.
_SAFE = (
    StoreError,
    Refused,
    OSError,
    ImportError,
    AttributeError,
    NameError,
    TypeError,
    AssertionError,
    RuntimeError,
    MemoryError,
    asyncio.InvalidStateError,
)
_OUTAGES = (Lost, Full, Busy)


class _Hidden:
    """Stands for an object in a log line: its type and nothing of what it holds."""

    def __init__(self, value: object) -> None:
        self._name = type(value).__name__

    def __repr__(self) -> str:
        return f"<{self._name}>"


def mask(name: str, value: Any) -> Any:
    """A field as it may be written: secrets and texts of messages are left out, those hidden in an address, too; of an
    object that is no plain value, its type alone."""
    if _SECRET.search(name):
        return "***"
    return _mask(value)


def _mask(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return _LOGIN.sub("***", _PARAMETER.sub(r"\1=***", value))
    if isinstance(value, Mapping):
        return {str(_mask(key)): mask(str(key), each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_mask(each) for each in value]
    if isinstance(value, PurePath | ipaddress.IPv4Address | ipaddress.IPv6Address):
        return _mask(str(value))
    if isinstance(value, BaseException):
        return explain(value)
    return _Hidden(value)


def explain(error: BaseException) -> str:
    """Type and words of an exception; of those that may quote a request the type only."""
    name = type(error).__qualname__
    module = type(error).__module__
    if module not in ("builtins", "__main__"):
        name = f"{module}.{name}"
    words = str(error)
    if not words:
        return name
    return f"{name}: {_mask(words)}" if isinstance(error, _SAFE) else f"{name}: ***"


def write_traceback(error: BaseException) -> str:
    """The traceback with causes and groups as Python prints it, but with the words of exceptions masked."""
    lines: list[str] = []
    _write(error, lines, set())
    return "".join(lines).rstrip("\n")


def _write(error: BaseException, lines: list[str], seen: set[int]) -> None:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        _write(before, lines, seen)
        how = "The cause of" if error.__cause__ is not None else "While that was handled,"
        lines.append(f"{how} another:\n")
    lines.append("Traceback (most recent call last):\n")
    lines += traceback.format_tb(error.__traceback__)
    lines.append(explain(error) + "\n")
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            if id(each) not in seen:
                lines.append("Of this group:\n")
                _write(each, lines, seen)


def message_of(record: logging.LogRecord) -> str:
    """The event with its arguments, each masked before it is put in."""
    message = str(record.msg)
    if record.args:
        arguments = record.args
        try:
            if isinstance(arguments, Mapping):
                message %= {name: mask(str(name), value) for name, value in arguments.items()}
            else:
                message %= tuple(_mask(value) for value in arguments)
        except (TypeError, ValueError, KeyError):  # a %d for what is masked: the line without its arguments
            message = str(record.msg)
    return str(_mask(message))


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """What a call has given in ``extra``, masked; and the words of an error that needs no traceback."""
    fields = {name: mask(name, value) for name, value in record.__dict__.items() if name not in _STANDARD}
    if record.exc_info and not _is_fault(record):
        fields["error"] = str(_mask(str(record.exc_info[1])))
    return fields


def _is_fault(record: logging.LogRecord) -> bool:
    """Whether there is a traceback to be written. A store that is away or full says all in its words, and often."""
    return bool(record.exc_info) and not isinstance(record.exc_info[1], _OUTAGES)  # type: ignore[index]


class _Formatter(logging.Formatter):
    """What both forms share."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name of the standard library
        """The traceback, masked."""
        return write_traceback(ei[1]) if ei[1] is not None else ""


class LineFormatter(_Formatter):
    """``2026-11-20T12:00:00.123Z info http_listening host=127.0.0.1 port=8080``"""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback below it; values with blanks are quoted, so that nobody can forge a line."""
        fields = "".join(f" {name}={_quote(value)}" for name, value in fields_of(record).items())
        event = _CONTROL.sub(lambda found: repr(found[0])[1:-1], message_of(record))
        line = f"{_stamp(record)} {record.levelname.lower()} {event}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if _is_fault(record) else line


class JsonFormatter(_Formatter):
    """One JSON object a line: at, level, event, logger, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; a field named as one of the first four is written with an underscore behind it."""
        line: dict[str, Any] = {
            "at": _stamp(record),
            "level": record.levelname.lower(),
            "event": message_of(record),
            "logger": record.name,
        }
        for name, value in fields_of(record).items():
            line[f"{name}_" if name in line else name] = value
        if _is_fault(record):
            line["traceback"] = self.formatException(record.exc_info)
        # ASCII: a lone surrogate would break the stream, and no reader of JSON minds.
        return json.dumps(line, default=str)


def _quote(value: Any) -> str:
    text = str(value)
    if _PLAIN.fullmatch(text) and not _CONTROL.search(text):
        return text
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], json.dumps(text, ensure_ascii=False))


def _stamp(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"


def set_up(level: str, as_json: bool) -> None:
    """Send everything of this level and above to standard error, and with it what Python prints by itself there:
    warnings, and exceptions that nobody caught."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else LineFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Below errors, asyncio tells of slow callbacks with all that they were called with, and the pool of readers of each
    # try to reach a server that is away: that is told by whoever wanted to read.
    for name in ("asyncio", "asyncpg.pool"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a line that cannot be formatted would be printed with its arguments
    sys.excepthook = _tell_uncaught
    sys.unraisablehook = _tell_unraisable
    threading.excepthook = _tell_thread


def watch(loop: asyncio.AbstractEventLoop) -> None:
    """Log what goes wrong in a loop's callbacks; asyncio's own handler prints the callback with its arguments."""
    loop.set_exception_handler(_tell_loop)


def _tell_loop(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    what = _WORDS.match(str(context.get("message", "")))
    log.error("loop_failed", extra={"what": what[0].strip() if what else ""}, exc_info=error)


def _tell_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        log.critical("ended_by_exception", exc_info=error)


def _tell_unraisable(unraisable: Any) -> None:
    log.error("exception_ignored", exc_info=unraisable.exc_value)


def _tell_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None:
        log.error("thread_failed", exc_info=arguments.exc_value)
