"""send: texts out, or their price (spec sending 2 to 8); with a picture's code (seed 001, captcha), codes by call (6.6)."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from heliograph.api.call import Call, write_id
from heliograph.api.inputs import Flag, Integer
from heliograph.api.operation import Operation
from heliograph.api.shapes import Field, Place, Record, Rows, Sections, Type
from heliograph.api.submissions import IMGCODE, LATER, PARAMETERS, read_submission
from heliograph.core.messages import Accepted, Kind, Quote, Submission, Verdict
from heliograph.core.money import format_money
from heliograph.core.reasons import Reason, Refusal, Refused

COST = Integer("cost", "0 sends, 1 only prices, 2 sends and tells the cost, 3 also the balance", high=3)
OP = Flag("op", "Adds every number with its operator, cost and problem")
ERR = Flag("err", "Adds the numbers that have a problem")

_ALWAYS_LEFT_OUT = "0123"

SENT = Record(
    root="result",
    fields=(
        Field("id", Type.EITHER, "Message id, yours or one of the service", "ID - {}"),
        Field("cnt", Type.NUMBER, "Parts of all texts together", "OK - {} SMS"),
        Field("cost", help="Price of all, with cost=2 or 3", text="COST - {}", none=_ALWAYS_LEFT_OUT),
        Field("balance", help="What is left, with cost=3", text="BALANCE - {}", none=_ALWAYS_LEFT_OUT),
    ),
    text=("cnt", "id", "cost", "balance"),
)
CALLED = Record(
    root="result",
    fields=(*SENT.fields, Field("code", help="Code that the call tells", text="CODE - {}", none=_ALWAYS_LEFT_OUT)),
    text=("cnt", "id", "cost", "balance", "code"),
)
PRICED = Record(
    root="result",
    fields=(
        Field("cost", help="Price of all", text="{}"),
        Field("cnt", Type.NUMBER, "Parts of all texts together", "({} SMS)"),
    ),
    between=" ",
)
_PHONE = Field("phone", help="The number", text="{}", place=Place.BODY)
_STATUS = Field(
    "status", help="Status, where there is a problem", text="{}", place=Place.ATTRIBUTE, none=_ALWAYS_LEFT_OUT
)
_ERROR = Field("error", help="Its error", text="{}", place=Place.ATTRIBUTE, none=_ALWAYS_LEFT_OUT)
NUMBERS = Rows(
    "phones",
    Record(
        root="phone",
        fields=(
            _PHONE,
            Field("mccmnc", help="Country and network code, 0 when unknown", text="{}", place=Place.ATTRIBUTE),
            Field("cost", help="Its price, not in test mode", text="{}", place=Place.ATTRIBUTE, none="23"),
            _STATUS,
            _ERROR,
        ),
        between=",",
    ),
)
PROBLEMS = Rows("phones", Record(root="phone", fields=(_PHONE, _STATUS, _ERROR), between=","))

SENT_WITH_NUMBERS = Sections(SENT, (("phones", NUMBERS),))
SENT_WITH_PROBLEMS = Sections(SENT, (("phones", PROBLEMS),))
CALLED_WITH_NUMBERS = Sections(CALLED, (("phones", NUMBERS),))
CALLED_WITH_PROBLEMS = Sections(CALLED, (("phones", PROBLEMS),))
PRICED_WITH_NUMBERS = Sections(PRICED, (("phones", NUMBERS),))
PRICED_WITH_PROBLEMS = Sections(PRICED, (("phones", PROBLEMS),))

# What counts towards the ban of an address (spec sending 9.2): bad numbers and forbidden texts, not lack of money.
_FAILURES = frozenset(
    {
        Reason.BAD_NUMBER,
        Reason.NO_ROUTE,
        Reason.NO_PRICE,
        Reason.TEXT_DENIED,
        Reason.SENDER_DENIED,
        Reason.MAILING_DENIED,
        Reason.BLACK_LISTED,
    }
)


def handle(call: Call) -> None:
    """Reads, then sends or prices."""
    cost = COST.read(call.params)
    submission = read_submission(call.params, call.account, call.now_ms, call.client, call.door)
    # Read here as well as in the reply, so that a mistake in them stops the text.
    OP.read(call.params)
    ERR.read(call.params)
    submitting = call.services.submitting
    if cost == 1:
        submitting.price(call.account, submission, call.now_ms, call.then(_answer_price))
        return
    if "imgcode" in call.params or call.account.settings.captcha:
        _check_picture(call, submission)
    if submission.kind is Kind.CALL:
        code = call.services.make_code()
        submission = replace(submission, code=code)
        submitting.accept(call.account, submission, call.now_ms, call.then(lambda then, got: _finish(then, got, code)))
    else:
        submitting.accept(call.account, submission, call.now_ms, call.then(_finish))


def _check_picture(call: Call, submission: Submission) -> None:
    """Uses up what was shown to the customer's own user; an empty answer is a wrong one, or a form would be sent without."""
    code = call.params.get(IMGCODE.name, "")
    if code and not submission.user_ip:
        raise Refused(Reason.BAD_PARAMETERS, "imgcode needs userip")
    if not submission.user_ip or not call.services.captchas.spend(submission.user_ip, code, call.now_ms):
        raise Refused(Reason.BAD_CODE)


def _finish(call: Call, result: Accepted | Refusal, code: str = "") -> None:
    guard = call.services.guard
    if isinstance(result, Refusal):
        if result.reason in _FAILURES:
            guard.note_send(call.client, False, call.now_ms)
        call.refuse(result)
        return
    guard.note_send(call.client, True, call.now_ms)
    value: dict[str, Any] = {"id": write_id(result.id), "cnt": result.parts}
    cost = COST.read(call.params)
    if cost:
        value["cost"] = format_money(0 if result.test else result.cost)
        if cost == 3:
            value["balance"] = format_money(result.balance)
    if code:
        value["code"] = code
    if OP.read(call.params):
        value["phones"] = _list_numbers(result.verdicts, result.test)
        call.answer(CALLED_WITH_NUMBERS if code else SENT_WITH_NUMBERS, value)
    elif ERR.read(call.params):
        value["phones"] = _list_problems(result.verdicts)
        call.answer(CALLED_WITH_PROBLEMS if code else SENT_WITH_PROBLEMS, value)
    else:
        call.answer(CALLED if code else SENT, value)


def _answer_price(call: Call, result: Quote | Refusal) -> None:
    if isinstance(result, Refusal):
        call.refuse(result)
        return
    value: dict[str, Any] = {"cost": format_money(result.cost), "cnt": result.parts}
    if OP.read(call.params):
        call.answer(PRICED_WITH_NUMBERS, {**value, "phones": _list_numbers(result.verdicts, test=False)})
    elif ERR.read(call.params):
        call.answer(PRICED_WITH_PROBLEMS, {**value, "phones": _list_problems(result.verdicts)})
    else:
        call.answer(PRICED, value)


def _list_numbers(verdicts: Iterable[Verdict], test: bool) -> list[Mapping[str, Any]]:
    return [
        {
            "phone": verdict.phone,
            "mccmnc": verdict.mccmnc or "0",
            "cost": None if test else format_money(verdict.cost),
            "status": verdict.status or None,
            # Clients fail the whole send when an error is there, even "0".
            "error": verdict.err or None,
        }
        for verdict in verdicts
    ]


def _list_problems(verdicts: Iterable[Verdict]) -> list[Mapping[str, Any]]:
    return [
        {"phone": verdict.phone, "status": verdict.status or None, "error": verdict.err or None}
        for verdict in verdicts
        if verdict.status or verdict.err
    ]


OPERATIONS = (
    Operation(
        name="send",
        page="send",
        title="Sending messages",
        help="Sends one text to one or many numbers, or a text of its own to each, or tells what that would cost. "
        f"Of the service's parameters, {', '.join(LATER)} come in a later version: empty and 0 are taken, else error 1.",
        handler=handle,
        parameters=(*PARAMETERS, COST, OP, ERR),
        replies=(
            ("cost=0, 2, 3", SENT),
            ("call=1", CALLED),
            ("cost=1", PRICED),
            ("op=1", SENT_WITH_NUMBERS),
            ("err=1", SENT_WITH_PROBLEMS),
        ),
        errors=(
            (1, "Missing or bad parameter"),
            (3, "Not enough money; the reply carries the id"),
            (5, "Bad time"),
            (6, "Text or sender is forbidden; the reply carries the id"),
            (7, "Bad number; the reply carries the id"),
            (8, "No route to the number; the reply carries the id"),
            (10, "Wrong imgcode"),
        ),
        limits=("1 identical text a minute (same recipients, text and kind)", "5 identical price queries a minute"),
    ),
)
