"""receive_phones: dedicated numbers to rent (seed 001, "Connecting dedicated numbers for receiving messages")."""

from collections.abc import Mapping
from typing import Any

from heliograph.api.call import Call
from heliograph.api.inputs import Flag, Parameter
from heliograph.api.operation import Operation, Pace
from heliograph.api.shapes import ACK, Field, Record, Rows, Type
from heliograph.core.money import format_money
from heliograph.core.reasons import Reason, Refusal, Refused
from heliograph.core.rents import Number

PAGE = "receive_phones"
PHONE = Parameter("phone", "The number", "as the list has it, or as people write numbers", required=True)
NOPROLONG = Flag("noprolong", "1: the number is given back at the end of the month; 0: the next month is paid for")

FREE = Rows(
    "list",
    Record(
        root="receive_phone",
        fields=(
            Field("phone", help="The number"),
            Field("type", Type.NUMBER, "1 and 4: a dedicated virtual number, 2: a number on a SIM"),
            Field("cost", help="Rent of a full month, in the account's currency"),
            Field("current_cost", help="Rent up to the end of this month"),
            Field("info", help="Operator and kinds of notification"),
        ),
    ),
)
RENTED = Record(root="phone", fields=(Field("cost", help="What was taken; 0 for a number that the account had"),))


def handle_get(call: Call) -> None:
    """Answers from memory."""
    call.answer_list(FREE, call.services.numbers.list_free(call.account), _describe)


def _describe(call: Call, number: Number) -> Mapping[str, Any]:
    rates = call.services.numbers.price(number, call.account, call.now_ms)
    if rates is None:  # a rate was removed while the list was being written
        raise Refused(Reason.STORE_FULL)
    return {
        "phone": number.phone,
        "type": number.type,
        "cost": format_money(rates.month),
        "current_cost": format_money(rates.rest),
        "info": number.info,
    }


def handle_buy(call: Call) -> None:
    """Rents it; the reply goes out when it is on disk."""

    def finish(call: Call, taken: int | Refusal) -> None:
        if isinstance(taken, Refusal):
            call.refuse(taken)
        else:
            call.answer(RENTED, {"cost": format_money(taken)})

    phone, noprolong = _read_phone(call), NOPROLONG.read(call.params)
    call.services.numbers.rent(call.account, phone, noprolong, call.now_ms, call.then(finish))


def handle_chg(call: Call) -> None:
    """Sets the mark."""

    def finish(call: Call, done: int | Refusal) -> None:
        if isinstance(done, Refusal):
            call.refuse(done)
        else:
            call.answer(ACK, None)

    phone, noprolong = _read_phone(call), NOPROLONG.read(call.params)
    call.services.numbers.set_noprolong(call.account, phone, noprolong, call.now_ms, call.then(finish))


def _read_phone(call: Call) -> str:
    """The number as the stock has it: short ones stay as they are."""
    given = PHONE.text(call.params).strip()
    if given.isascii() and given.isdigit() and len(given) <= 6:
        return given
    phone = call.services.normalize(given)
    if phone is None:
        raise Refused(Reason.BAD_PARAMETERS, "phone is no number")
    return phone


PACES = (Pace(limit=2),)
LIMITS = ("2 identical requests a minute",)

OPERATIONS = (
    Operation(
        name="get_numbers",
        page=PAGE,
        flag="get",
        title="Numbers to rent",
        help="Tells the dedicated numbers that can be rented. An empty list is no error.",
        handler=handle_get,
        parameters=(Flag("get", "1 tells the numbers"),),
        replies=(("get=1", FREE),),
        errors=((1, "No action is named"),),
        limits=LIMITS,
        paces=PACES,
    ),
    Operation(
        name="buy_number",
        page=PAGE,
        flag="buy",
        title="Renting a number",
        help="Rents a number for the days that are left of the month. One that the account has already costs nothing.",
        handler=handle_buy,
        parameters=(Flag("buy", "1 rents a number"), PHONE, NOPROLONG),
        replies=(("buy=1", RENTED),),
        errors=((1, "Bad parameter; a number that is not to be rented, or rented by somebody else"), (3, "No money")),
        limits=LIMITS,
        paces=PACES,
    ),
    Operation(
        name="change_number",
        page=PAGE,
        flag="chg",
        title="Renewal of a number",
        help="Whether a rented number is paid for at the beginning of the next month.",
        handler=handle_chg,
        parameters=(Flag("chg", "1 changes a number"), PHONE, NOPROLONG),
        replies=(("chg=1", ACK),),
        errors=((1, "Bad parameter; a number that the account does not rent"),),
        limits=LIMITS,
        paces=PACES,
    ),
)
