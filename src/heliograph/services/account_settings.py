"""What settings of an account may be: types, and the rules that a type does not say (spec management 2.2)."""

import ipaddress
import re
import zoneinfo
from collections.abc import Mapping

from heliograph.core.accounts import Settings
from heliograph.core.reasons import Reason, Refused
from heliograph.core.settings import change
from heliograph.services.senders import is_name

HOURS = re.compile(r"([01]?\d|2[0-3])-([01]?\d|2[0-4])")
PREFIXES = re.compile(r"-?\+?\d{1,15}(,-?\+?\d{1,15})*")
# Name and password, host or IPv6 address, port, and whatever the rest says but line breaks (callbacks/plans.py reads it).
HANDLER = re.compile(
    r"https?://([^\s/?#@]*@)?(\[[0-9a-f:.]+\]|[^\s/?#!@:\[\]]+)(:\d{1,5})?([/?#][^\x00-\x1f\x7f]*)?", re.IGNORECASE
)
OFFSET = re.compile(r"[+-]?\d{1,2}(:?[0-5]\d)?")


def parse_settings(settings: Settings, texts: Mapping[str, str]) -> Settings:
    """Settings with some of them read from texts; Refused(BAD_PARAMETERS) names the field or the nearest known one."""
    try:
        changed = change(settings, texts)
        for name in texts:
            _check_setting(name, changed)
    except ValueError as error:
        raise Refused(Reason.BAD_PARAMETERS, str(error)) from None
    return changed


def _check_setting(name: str, settings: Settings) -> None:
    """Rules that a type does not say; ValueError."""
    value = getattr(settings, name)
    if name == "tz":
        _check_zone(value)
    elif name in ("hours", "mail_hours") and value and not HOURS.fullmatch(value):
        raise ValueError(f"{name}={value!r}: hours are written like 9-21")
    elif name == "prefixes" and value and not PREFIXES.fullmatch(value):
        raise ValueError(f"prefixes={value!r}: digits with commas between, a minus excludes: 7,-77")
    elif name in ("addresses", "smpp_addresses"):
        _check_addresses(name, value)
    elif name == "sender" and value and not is_name(value):
        raise ValueError(f"sender={value!r}: up to 11 Latin letters, digits or signs, or a number")
    elif name == "callback_url" and value and not HANDLER.fullmatch(value.strip(" ")):
        raise ValueError(
            "callback_url: an address begins with http:// or https:// and a host: https://shop.example/sms.php"
        )


def _check_addresses(name: str, value: str) -> None:
    for each in filter(None, value.split(",")):
        try:
            ipaddress.ip_network(each.strip(), strict=False)
        except ValueError:
            raise ValueError(f"{name}: {each.strip()!r} is no address or network: 10.0.0.0/8,192.0.2.7") from None


def _check_zone(value: str) -> None:
    if OFFSET.fullmatch(value):
        return
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"tz={value!r}: a zone such as Europe/Moscow or an offset such as +3 is wanted") from None
