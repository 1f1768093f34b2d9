"""Parameters as declarations that also read themselves, so that a page and its behaviour cannot differ (design section 7)."""

from collections.abc import Mapping

import msgspec

from heliograph.core.reasons import Reason, Refused

_FALSE = frozenset({"", "0", "false"})
_TRUE = frozenset({"1", "true"})


class Parameter(msgspec.Struct, frozen=True):
    """A text. ``form`` says in words what is allowed, ``default`` what holds when it is absent."""

    name: str
    help: str
    form: str = "text"
    default: str = ""
    required: bool = False

    def text(self, params: Mapping[str, str]) -> str:
        """The value, empty when absent; Refused(BAD_PARAMETERS) when it is required."""
        found = params.get(self.name, "")
        if not found and self.required:
            raise Refused(Reason.BAD_PARAMETERS, f"{self.name} is missing")
        return found


class Flag(Parameter, frozen=True):
    """0 or 1; empty counts as 0, and the words of JSON's booleans are understood."""

    form: str = "0 or 1"
    default: str = "0"

    def read(self, params: Mapping[str, str]) -> bool:
        """Whether it is set; Refused(BAD_PARAMETERS) for anything but 0 and 1."""
        found = params.get(self.name)
        if found is None or found in _FALSE:
            return False
        if found.strip().lower() in _TRUE:
            return True
        if found.strip().lower() in _FALSE:
            return False
        raise Refused(Reason.BAD_PARAMETERS, f"{self.name} is 0 or 1")


class Integer(Parameter, frozen=True, kw_only=True):
    """A whole number from ``low`` to ``high``; absent, empty and (``zero_is_absent``) 0 give ``missing``."""

    low: int = 0
    high: int = 2**31 - 1
    missing: int = 0
    zero_is_absent: bool = False

    def read(self, params: Mapping[str, str]) -> int:
        """The number; Refused(BAD_PARAMETERS) for what is none or lies outside."""
        found = params.get(self.name)
        if not found:
            return self.missing
        # Ten digits hold 2**31; int() would also take "1_0" and digits of other scripts.
        digits = found.strip()
        if digits.isascii() and digits.removeprefix("-").isdigit() and len(digits) <= 11:
            number = int(digits)
            if number == 0 and self.zero_is_absent:
                return self.missing
            if self.low <= number <= self.high:
                return number
        raise Refused(Reason.BAD_PARAMETERS, f"{self.name} is {self.describe()}")

    def describe(self) -> str:
        """The range in words."""
        if self.high >= 2**31 - 1:
            return f"a whole number from {self.low}"
        return f"a whole number from {self.low} to {self.high}"


def explain(parameter: Parameter) -> str:
    """What values a parameter takes, in words for the reference pages."""
    return parameter.describe() if isinstance(parameter, Integer) else parameter.form
