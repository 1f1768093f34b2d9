"""Copies of records with some fields changed, whatever kind of record it is."""

import inspect
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def changed(record: T, **fields: Any) -> T:
    """A copy of a record (a class with fields as the parameters of its ``__init__``, or a struct) with other ``fields``."""
    if isinstance(record, msgspec.Struct):
        return msgspec.structs.replace(record, **fields)
    names = list(inspect.signature(type(record)).parameters)
    return type(record)(**({name: getattr(record, name) for name in names} | fields))
