"""wait_call: a number confirmed by its subscriber's call (seed 001, "Confirm your phone number with a call")."""

from heliograph.api.call import Call
from heliograph.api.inputs import Parameter
from heliograph.api.operation import Operation, Pace
from heliograph.api.shapes import Field, Record
from heliograph.core.reasons import Reason, Refusal
from heliograph.services.waits import Awaited

PHONE = Parameter("phone", "Number of the subscriber who is to call", "as people write numbers", required=True)

AWAITED = Record(
    root="result",
    fields=(
        Field("phone", help="The number that he is to call, within 15 minutes"),
        Field("all_phones", help="All that are possible, that one first", item="phone"),
    ),
    commas=("all_phones",),
)
_PRICELESS = (6, "no price for the call")


def handle(call: Call) -> None:
    """The reply goes out when the call is waited for on disk."""

    def finish(call: Call, awaited: Awaited | Refusal) -> None:
        if isinstance(awaited, Refusal):
            call.refuse(awaited)
        else:
            call.answer(AWAITED, {"phone": awaited.phone, "all_phones": awaited.all_phones})

    call.services.waits.wait(call.account, PHONE.text(call.params), call.now_ms, call.then(finish))


OPERATIONS = (
    Operation(
        name="wait_call",
        page="wait_call",
        title="Confirmation by a call",
        help="Tells which number a subscriber is to call so that his own is confirmed. The call comes to the handler of the "
        "account, and to get_answers as the text [waitcall].",
        handler=handle,
        parameters=(PHONE,),
        replies=(("", AWAITED),),
        errors=(
            (1, "Bad number, or no number to call is free"),
            (3, "No money for the call"),
            (5, "The number is on a black list"),
            (6, "No price, or the account's prefixes or hours forbid it"),
        ),
        limits=("50 identical requests a minute",),
        paces=(Pace(limit=50),),
        words={
            Reason.BLACK_LISTED: (5, "phone is in black list"),
            Reason.NO_PRICE: _PRICELESS,
            Reason.NUMBER_DENIED: _PRICELESS,
            Reason.OUTSIDE_HOURS: _PRICELESS,
        },
    ),
)
