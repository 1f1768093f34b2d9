"""Copies of records with some fields changed, whatever kind of record it is."""

import inspect
from functools import cache
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def changed(record: T, **fields: Any) -> T:
    """A copy of a record (a class with fields as the parameters of its ``__init__``, or a struct) with other ``fields``."""
    if isinstance(record, msgspec.Struct):
        return msgspec.structs.replace(record, **fields)
    return type(record)(**({name: getattr(record, name) for name in _names(type(record))} | fields))


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(inspect.signature(kind).parameters)
