"""get_answers: incoming texts of an account (seed 000, "Receiving incoming messages"; spec management 0.1 and 6.3)."""

from collections.abc import Mapping
from typing import Any

from heliograph.api.call import Call
from heliograph.api.inputs import Integer, Parameter
from heliograph.api.operation import Operation, Pace
from heliograph.api.shapes import Field, Record, Rows, Type
from heliograph.core.days import day_of, start_of_day
from heliograph.core.reasons import Reason, Refused
from heliograph.core.zones import format_date
from heliograph.services.inbound import Inbound

MOST = 10_000
HOUR_MS = 3_600_000

CNT = Integer("cnt", "Texts at most", low=1, high=MOST, missing=MOST, default=str(MOST), zero_is_absent=True)
HOUR = Integer(
    "hour",
    "Only texts of so many last hours",
    low=1,
    high=168,
    default="the current day in the account's time zone; no bound with after_id",
    zero_is_absent=True,
)
AFTER_ID = Integer("after_id", "Only texts with an id above this one", high=10**11 - 1)
TO_PHONE = Parameter("to_phone", "Only texts sent to this number")

ANSWERS = Rows(
    "sms_answers",
    Record(
        root="sms",
        fields=(
            Field("id", Type.NUMBER, "Id of the incoming text; ids rise with time"),
            Field("received", help="Received, in the account's zone"),
            Field("phone", help="Number of the subscriber"),
            Field("message", help="Text", free=True),
            Field("to_phone", help="Number that the text was sent to"),
            Field("sent", help="Sent by the subscriber, in the account's zone; empty when unknown"),
        ),
        commas=("id", "received", "phone", "to_phone", "sent", "message"),
    ),
)


def handle(call: Call) -> None:
    """Finds the texts and tells them, oldest first; there may be none."""
    params = call.params
    limit, hours, after_id = CNT.read(params), HOUR.read(params), AFTER_ID.read(params)
    since_ms = 0
    if hours:
        since_ms = call.now_ms - hours * HOUR_MS
    elif not after_id:
        zone = call.account.settings.tz
        since_ms = start_of_day(day_of(call.now_ms, zone), zone)
    to_phones: tuple[str, ...] = ()
    if to_phone := TO_PHONE.text(params).strip():
        # Carriers write numbers of their own in their own way, short ones above all.
        to_phones = tuple({to_phone, to_phone.removeprefix("+"), call.services.normalize(to_phone) or to_phone})

    def finish(call: Call, texts: list[Inbound] | None) -> None:
        if texts is None:
            raise Refused(Reason.STORE_FULL)
        call.answer_list(ANSWERS, texts, _describe)

    call.services.histories.incoming(call.account.id, after_id, since_ms, to_phones, limit, call.then(finish))


def _describe(call: Call, text: Inbound) -> Mapping[str, Any]:
    zone = call.account.settings.tz
    return {
        "id": text.id,
        "received": format_date(text.received_ms, zone),
        "phone": text.phone,
        "message": text.text,
        "to_phone": text.to_phone,
        "sent": format_date(text.sent_ms, zone),
    }


OPERATIONS = (
    Operation(
        name="get_answers",
        page="get",
        flag="get_answers",
        title="Incoming texts",
        help="Tells the texts that subscribers have sent, oldest first. An empty list is no error.",
        handler=handle,
        parameters=(CNT, HOUR, AFTER_ID, TO_PHONE),
        replies=(("", ANSWERS),),
        errors=((1, "Bad parameter"),),
        limits=("3 identical requests a minute",),
        paces=(Pace(3),),
    ),
)
