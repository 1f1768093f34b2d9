"""Settings given as texts: read by the types of a record's fields, with errors that name what was meant (design section 11)."""

import difflib
import types
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

Record = TypeVar("Record", bound=msgspec.Struct)

YES = frozenset({"yes", "y", "true", "on", "1"})
NO = frozenset({"no", "n", "false", "off", "0"})


class Setting(msgspec.Struct, frozen=True):
    """One field of a record of settings: its name, type without its limits, help and default."""

    name: str
    type: Any
    help: str
    default: Any


def describe(record: type[msgspec.Struct]) -> tuple[Setting, ...]:
    """The fields of a record of settings, in their order."""
    settings = []
    for field in msgspec.structs.fields(record):
        help_text = ""
        kind = field.type
        while hasattr(kind, "__metadata__"):
            for meta in kind.__metadata__:
                help_text = getattr(meta, "description", None) or help_text
            kind = kind.__origin__
        default = field.default
        if default is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        settings.append(Setting(field.name, kind, help_text, default))
    return tuple(settings)


def suggest(name: str, known: Iterable[str]) -> str:
    """How to go on after an unknown name: the nearest known one, or all of them when none is near."""
    names = list(known)
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"


def change(record: Record, texts: Mapping[str, str]) -> Record:
    """The record with some fields read from texts.

    Lists are written with commas, dictionaries as ``key=value`` with commas, truth as yes or no. ValueError names the
    field, and for an unknown one the nearest known name.
    """
    fields = {setting.name: setting for setting in describe(type(record))}
    values = msgspec.to_builtins(record)
    for name, text in texts.items():
        setting = fields.get(name)
        if setting is None:
            raise ValueError(f"there is no setting {name!r}; {suggest(name, fields)}")
        try:
            values[name] = read(setting.type, text)
            # Tried one at a time, so that the error can name the field whatever its limits are.
            msgspec.convert({name: values[name]}, type(record), strict=False)
        except ValueError as error:
            reason = str(error).split(" - at `$")[0]
            raise ValueError(f"{name}={text!r}: {_soften(reason)} ({setting.help or setting.name})") from None
    return msgspec.convert(values, type(record), strict=False)


def read(kind: Any, text: str) -> Any:
    """A plain value of this type from a text; ValueError when the text is none."""
    text = text.strip()
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        inner = [each for each in get_args(kind) if each is not type(None)]
        return None if text in ("", "none") else read(_bare(inner[0]), text)
    if origin is Literal:
        return text
    if origin in (tuple, list, frozenset):
        inner_kind = _bare(get_args(kind)[0])
        return [read(inner_kind, piece) for piece in text.split(",") if piece.strip()]
    if origin is dict:
        return _read_pairs(_bare(get_args(kind)[1]), text)
    if kind is bool:
        return _read_truth(text)
    if kind is int or kind is float:
        try:
            return kind(text)
        except ValueError:
            raise ValueError("a whole number is wanted" if kind is int else "a number is wanted") from None
    return text


def write(value: Any) -> str:
    """A value as the text that ``read`` takes."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ",".join(f"{key}={write(each)}" for key, each in value.items())
    if isinstance(value, (tuple, list, frozenset)):
        return ",".join(write(each) for each in value)
    return str(value)


def _bare(kind: Any) -> Any:
    while hasattr(kind, "__metadata__"):
        kind = kind.__origin__
    return kind


def _read_truth(text: str) -> bool:
    if text.lower() in YES:
        return True
    if text.lower() in NO:
        return False
    raise ValueError("yes or no is wanted")


def _read_pairs(kind: Any, text: str) -> dict[str, Any]:
    pairs = {}
    for piece in text.split(","):
        if not piece.strip():
            continue
        key, sign, value = piece.partition("=")
        if not sign:
            raise ValueError("pairs are wanted, such as 0x45=255,0x14=220")
        pairs[key.strip()] = read(kind, value)
    return pairs


def _soften(reason: str) -> str:
    for said, meant in (
        ("Expected `int` >= ", "at least "),
        ("Expected `int` <= ", "at most "),
        ("Expected `float` >= ", "at least "),
        ("Expected `float` <= ", "at most "),
        ("Expected `float` > ", "more than "),
        ("Expected `str` of length <= ", "characters at most: "),
        ("Invalid enum value ", "not one of the choices: "),
    ):
        if reason.startswith(said):
            return meant + reason.removeprefix(said)
    return reason
