"""get_stat: how many messages, what was spent and what was paid in, in a period (seeds 000 and 002; spec management 6.3)."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from heliograph.api.call import Call
from heliograph.api.inputs import Flag, Parameter
from heliograph.api.operation import Operation, Pace
from heliograph.api.shapes import Field, Record, Rows
from heliograph.core.days import next_day, read_day, start_of_day
from heliograph.core.money import format_money
from heliograph.core.reasons import Reason, Refused
from heliograph.services.entries import QUARTER_MS
from heliograph.services.statistics import Total

START = Parameter("start", "First day of the period, in the account's time zone", form="dd.mm.yyyy", required=True)
END = Parameter("end", "Last day of the period, whole", form="dd.mm.yyyy", default="up to now")
MYCUR = Flag("mycur", "Exchanges what was made in other currencies into the present one, as far as there are rates")
BALANCE2 = Flag("balance2", "Tells of the second (electronic) balance instead of the main one")

STATISTICS = Rows(
    "list",
    Record(
        root="stat",
        fields=(
            Field("login", help="Login"),
            Field("sms", help="Number of messages taken for sending"),
            Field("credit", help="Spent: charges less what was given back"),
            Field("debit", help="Paid in: top-ups and corrections"),
            Field("currency", help="Three letters"),
        ),
    ),
)


def handle(call: Call) -> None:
    """Sums the counters of the period up."""
    params = call.params
    zone = call.account.settings.tz
    start = _read_day(START, START.text(params))
    start_ms = start_of_day(start, zone)
    # Without an end the quarter of an hour that is running counts whole.
    end_ms = call.now_ms + QUARTER_MS
    if END.text(params).strip():
        end = _read_day(END, END.text(params))
        if end < start:
            raise Refused(Reason.BAD_PARAMETERS, "end lies before start")
        end_ms = start_of_day(next_day(end), zone)
    wallet = 2 if BALANCE2.read(params) else 1

    def finish(call: Call, totals: list[Total] | None) -> None:
        if totals is None:
            raise Refused(Reason.STORE_FULL)
        call.answer(STATISTICS, [_describe(total) for total in totals])

    find = call.services.statistics.find
    find(call.account, start_ms, end_ms, wallet, MYCUR.read(params), call.then(finish))


def _read_day(parameter: Parameter, text: str) -> date:
    try:
        return read_day(text)
    except ValueError:
        raise Refused(Reason.BAD_PARAMETERS, f"{parameter.name} is a date like 31.12.2026") from None


def _describe(total: Total) -> Mapping[str, Any]:
    return {
        "login": total.login,
        "sms": total.texts,
        "credit": format_money(total.spent),
        "debit": format_money(total.income),
        "currency": total.currency,
    }


OPERATIONS = (
    Operation(
        name="get_stat",
        page="get",
        flag="get_stat",
        title="Statistics",
        help="Tells, for each login and currency, how many messages there were in a period, what was spent and paid in.",
        handler=handle,
        parameters=(START, END, MYCUR, BALANCE2),
        replies=(("rows; nothing in the period: an empty list", STATISTICS),),
        errors=((1, "Missing or bad parameter"),),
        limits=("3 identical requests a minute",),
        paces=(Pace(limit=3),),
    ),
)
