"""balance: what is left (spec sending 13; spec clients 2.1 to 2.3)."""

from heliograph.api.call import Call
from heliograph.api.inputs import Flag
from heliograph.api.operation import Operation, Pace
from heliograph.api.shapes import Field, Place, Record
from heliograph.core.money import format_money

CUR = Flag("cur", "Adds the currency, and the credit when there is one")

_BALANCE = Field("balance", help="Money on the account", text="{}")
BALANCE = Record(root="balance", fields=(Field("balance", help="Money on the account", text="{}", place=Place.BODY),))
# Format 1 is one value whatever is asked: client libraries take two for an error.
DETAILED = Record(
    root="result",
    fields=(
        _BALANCE,
        Field("credit", help="Credit, when there is one", text="{}"),
        Field("currency", help="Three letters", text="{}"),
    ),
    commas=("balance",),
    between=" ",
)


def format_balance(amount: int) -> str:
    """A decimal with a dot and at least two decimals: clients match digits, a dot and digits."""
    whole, dot, fraction = format_money(amount).partition(".")
    return f"{whole}{dot or '.'}{fraction.ljust(2, '0')}"


def handle(call: Call) -> None:
    """Answers from memory."""
    balance, _, credit = call.services.money.balance(call.account.id)
    if not CUR.read(call.params):
        call.answer(BALANCE, {"balance": format_balance(balance)})
        return
    value = {"balance": format_balance(balance), "currency": call.account.currency}
    if credit:
        value["credit"] = format_balance(credit)
    call.answer(DETAILED, value)


OPERATIONS = (
    Operation(
        name="balance",
        page="balance",
        title="Balance",
        help="Tells the money on the account.",
        handler=handle,
        parameters=(CUR,),
        replies=(("cur=0", BALANCE), ("cur=1", DETAILED)),
        errors=((1, "Bad parameter"),),
        limits=("10 requests a minute",),
        paces=(Pace(limit=10, identical=False),),
    ),
)
