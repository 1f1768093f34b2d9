"""What a request comes to when it is not answered as hoped: one exception with the number and the words (spec sending 8)."""

# Numbers of the API.
PARAMETERS, LOGIN, MONEY, BANNED, DATE, DENIED, NUMBER, ROUTE, TOO_MANY, CODE = range(1, 11)
NOT_FOUND = 3  # of pages that list something

# What error 9 says of a text that was taken already; the other words mean too many requests.
DUPLICATE = "duplicate request"


class ApiError(Exception):
    """A request was refused.

    ``code`` is the number of the error (0: no answer that can be understood), ``text`` its words, ``id`` the message's id
    where the service has kept it: errors 3, 6, 7 and 8 of ``send``.
    """

    def __init__(self, code: int, text: str, id: int | str | None = None) -> None:
        super().__init__(code, text, id)
        self.code, self.text, self.id = code, text, id

    def __str__(self) -> str:
        own = "" if self.id is None else f", id {self.id}"
        return f"error {self.code}: {self.text}{own}" if self.code else self.text


class NoAnswer(ApiError):  # noqa: N818 - read as a fact
    """No host answered, or none so that it can be understood. ``code`` is 0.

    ``sent`` says whether a request was written: then it may have been done without our knowing.
    """

    def __init__(self, text: str, *, sent: bool) -> None:
        super().__init__(0, text)
        self.sent = sent

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (self.text, self.sent)


class AlreadyTaken(ApiError):  # noqa: N818
    """A text went unanswered, and its repeat was refused as a duplicate: the first one is on its way. Do not send it again.

    ``code`` is 9, ``id`` the one that you gave it; one that the service made is not known (``history`` tells it).
    """

    def __str__(self) -> str:
        return "the answer was lost, but the text was taken: its repeat was refused as a duplicate"


def _again(text: str, sent: bool) -> NoAnswer:
    return NoAnswer(text, sent=sent)
