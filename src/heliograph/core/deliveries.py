"""What a carrier tells of one part: the answer to it, and its receipt (design section 6, flows B and C)."""

from enum import StrEnum


class What(StrEnum):
    """How one part ended at the carrier."""

    ACCEPTED = "accepted"
    LATER = "later"
    REFUSED = "refused"
    UNSURE = "unsure"


class Outcome:
    """The answer to one part: the carrier's id, or why not. ``retry_ms`` is the pause before another try (later only)."""

    __slots__ = ("answered_ms", "code", "err", "link", "ref", "retry_ms", "sent_ms", "what")

    def __init__(
        self,
        what: What,
        ref: str = "",
        code: int = 0,
        err: int = 0,
        retry_ms: int = 0,
        link: str = "",
        sent_ms: int = 0,
        answered_ms: int = 0,
    ) -> None:
        self.what = what
        self.ref = ref
        self.code = code
        self.err = err
        self.retry_ms = retry_ms
        self.link = link
        self.sent_ms = sent_ms
        self.answered_ms = answered_ms


class Talk:
    """How a call went: seconds of it (None: it was not answered), of ringing, beyond the planned length; the keys pressed
    while it was heard, and in a menu."""

    __slots__ = ("keys", "menu", "overtime_s", "ringing_s", "seconds")

    def __init__(
        self,
        seconds: int | None = None,
        ringing_s: int | None = None,
        keys: str = "",
        menu: str = "",
        overtime_s: int = 0,
    ) -> None:
        self.seconds = seconds
        self.ringing_s = ringing_s
        self.keys = keys
        self.menu = menu
        self.overtime_s = overtime_s


class Receipt:
    """News of one part, translated: ``status`` and ``err`` by our tables, ``ref`` as the carrier wrote it.

    ``detail`` is the carrier's own wording without the text of the message; ``hlr`` holds imsi, msc, mcc, mnc,
    cn, net, rcn, rnet as far as they came, ``talk`` how a call went, ``syserr`` is the carrier's own number of the error.
    """

    __slots__ = ("at_ms", "detail", "err", "hlr", "phone", "ref", "status", "syserr", "talk")

    def __init__(
        self,
        ref: str,
        phone: str,
        status: int,
        err: int,
        at_ms: int,
        detail: str,
        hlr: dict[str, str] | None = None,
        talk: Talk | None = None,
        syserr: int = 0,
    ) -> None:
        self.ref = ref
        self.phone = phone
        self.status = status
        self.err = err
        self.at_ms = at_ms
        self.detail = detail
        self.hlr = hlr
        self.talk = talk
        self.syserr = syserr
