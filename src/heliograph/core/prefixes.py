"""Markers at the beginning of a text that choose its kind where no parameter can (spec sending 10.7, spec protocols)."""

import re

from heliograph.core.messages import Kind
from heliograph.core.reasons import Reason, Refused

_PREFIX = re.compile(r"__([A-Z]{2,8})__")
_KINDS = {"FLASH": Kind.FLASH, "HLR": Kind.HLR, "PING": Kind.PING, "CALL": Kind.CALL}
_LATER = {"VIBER": "viber", "SOC": "soc", "TG": "tg", "WHATSAPP": "whatsapp", "MAIL": "mail"}


def strip_prefix(text: str, kind: Kind | None) -> tuple[str, Kind | None]:
    """The text without a known prefix and the kind that it names; an explicit ``kind`` beats it, and binary texts have
    none. Raises Refused(LATER_FEATURE) for kinds that a later version has."""
    if not text.startswith("__") or kind is Kind.BINARY:
        return text, None
    prefix = _PREFIX.match(text)
    if prefix is None:
        return text, None
    later = _LATER.get(prefix[1])
    if later is not None and kind is None:
        raise Refused(Reason.LATER_FEATURE, later)
    named = _KINDS.get(prefix[1])
    return (text, None) if later is None and named is None else (text[prefix.end() :], named)
