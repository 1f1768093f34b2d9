"""events: news to be fetched, for those who cannot be called (an addition; fields as the client handler has them, seed 001)."""

from typing import Any

from heliograph.api.call import Call
from heliograph.api.inputs import Integer, Parameter
from heliograph.api.operation import Operation, Pace
from heliograph.api.shapes import Field, Record, Rows, Sections, Type
from heliograph.core.reasons import Reason, Refused
from heliograph.services.newsfeed import Batch

MOST = 250  # a page of so many is written in 2 ms
LONGEST_S = 30

AFTER = Parameter("after", "Only what is behind this number: next of the reply before", "a whole number", "0")
LIMIT = Integer("limit", "Pieces of news at most", low=1, high=MOST, missing=100, default="100")
WAIT = Integer("wait", "Seconds to wait for news when there is none", high=LONGEST_S, default="0")

_TEXTS = ("phone", "mes", "to", "smsc", "cost", "sender", "dtmf", "cmt", "callmenu")
_HLR = ("imsi", "msc", "mcc", "mnc", "cn", "net", "rcn", "rnet")
_HELP = {
    "id": "Id of the message, or of the incoming text",
    "sms_id": "Id of the message that an incoming text answers",
    "waitcall": "1: the call that was waited for came",
    "time": "Of a status DD.MM.YY hh:mm:ss in the account's zone, of an incoming text UNIX seconds",
    "ts": "UNIX seconds",
}
_EITHER = frozenset({"id", "sms_id", "time"})
_ORDER = (
    *("id", "sms_id", "waitcall", "phone", "status", "mes", "to", "smsc", "sent", "time", "ts", "err", "syserr", "cnt"),
    *("type", "cost", "flag", "sender", "dtmf", "cmt", *_HLR, "calltime", "callmenu", "ringtime"),
)


def _field(key: str) -> Field:
    kind = Type.STRING if key in _TEXTS or key in _HLR else Type.NUMBER
    return Field(key, Type.EITHER if key in _EITHER else kind, _HELP.get(key, "As the handler is told it"))


EVENT = Record(
    root="event",
    fields=(
        Field("event", Type.NUMBER, "Number of this piece of news, that of X-Heliograph-Event in its callback"),
        Field("kind", help="status, incoming or call"),
        *map(_field, _ORDER),
    ),
)
NEWS = Sections(
    head=Record(
        root="result",
        fields=(
            Field("next", Type.NUMBER, "What to send as after for the following page"),
            Field("more", Type.NUMBER, "1: there is more, ask at once"),
        ),
    ),
    lists=(("events", Rows("events", EVENT)),),
)


def handle(call: Call) -> None:
    """Answers when there is news, or when nobody wants to wait longer."""
    after = AFTER.text(call.params).strip() or "0"
    # 18 digits fit into the database's 63 bits.
    if not after.isascii() or not after.isdigit() or len(after) > 18:
        raise Refused(Reason.BAD_PARAMETERS, "after is a whole number, that of the reply before")
    limit, wait_s = LIMIT.read(call.params), WAIT.read(call.params)
    if not call.account.settings.events_days:
        raise Refused(Reason.BAD_PARAMETERS, "this account keeps no events; its setting events_days says for how long")
    call.services.newsfeed.read(call.account, int(after), limit, wait_s, call.then(_tell))


def _tell(call: Call, found: Batch | None) -> None:
    if found is None:
        raise Refused(Reason.STORE_FULL)
    events: list[dict[str, Any]] = [
        {"event": event.id, "kind": event.kind, **dict(event.fields)} for event in found.events
    ]
    call.answer(NEWS, {"next": found.next, "more": int(found.more), "events": events})


OPERATIONS = (
    Operation(
        name="events",
        page="events",
        address="/api/v1/events",
        title="News",
        help="Tells what the client handler is told: statuses, incoming texts and calls, oldest first, after a number.",
        handler=handle,
        parameters=(AFTER, LIMIT, WAIT),
        replies=(("News", NEWS),),
        errors=((1, "Bad parameter, or the account keeps no events"),),
        limits=("600 requests a minute", "One that waits counts as a request under way"),
        paces=(Pace(limit=600, identical=False),),
    ),
)
