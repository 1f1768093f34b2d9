"""tinyurls: a short link and its clicks (seed 000, getting data about a short link)."""

from heliograph.api.call import Call
from heliograph.api.inputs import Flag, Parameter
from heliograph.api.operation import Operation, Pace
from heliograph.api.shapes import Field, Record
from heliograph.core.links import Counts
from heliograph.core.reasons import Reason, Refusal, Refused

GET = Flag("get", "1 tells about a link")
ID = Parameter("id", "Id of the short link", "a whole number; it goes before link")
LINK = Parameter("link", "The original address, as it was in the text or as people type it", "with or without http://")

LINK_RECORD = Record(
    root="result",
    fields=(
        Field("id", help="Id of the short link"),
        Field("cnt", help="All clicks"),
        Field("cnt_mon", help="Clicks of this month, in the account's zone"),
        Field("cnt_day", help="Clicks of today"),
        Field("cnt_yes", help="Clicks of yesterday"),
        Field("cnt_pmon", help="Clicks of the month before"),
        Field("link", help="The short link"),
    ),
)


def handle(call: Call) -> None:
    """Looks the link up."""
    id_ = _read_id(ID.text(call.params).strip())
    link = LINK.text(call.params).strip()
    if id_ is None and not link:
        raise Refused(Reason.BAD_PARAMETERS, "id or link is missing")
    call.services.links.find(call.account, id_ or 0, link, call.now_ms, call.then(_finish))


def _read_id(text: str) -> int | None:
    """The number; None when it is absent."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Refused(Reason.BAD_PARAMETERS, "id is a whole number")
    if int(text) == 0:
        raise Refused(Reason.NOT_FOUND)
    return int(text)


def _finish(call: Call, found: Counts | Refusal) -> None:
    if isinstance(found, Refusal):
        call.refuse(found)
        return
    value = {
        "id": found.id,
        "cnt": found.cnt,
        "cnt_mon": found.cnt_mon,
        "cnt_day": found.cnt_day,
        "cnt_yes": found.cnt_yes,
        "cnt_pmon": found.cnt_pmon,
        "link": found.short,
    }
    call.answer(LINK_RECORD, value)


OPERATIONS = (
    Operation(
        name="tinyurls",
        page="tinyurls",
        title="Short links",
        help="Tells how often a short link was followed. Links are made by tinyurl=1 of send.",
        handler=handle,
        flag="get",
        parameters=(GET, ID, LINK),
        replies=(("get=1", LINK_RECORD),),
        errors=((1, "Neither id nor link, or a bad one"), (3, "The account has no such link")),
        limits=("3 identical requests a minute",),
        paces=(Pace(limit=3),),
    ),
)
