"""downloads: deferred tasks, which write the history of sent messages into files (seed 001, the end of it).

``get_list`` and ``get_file`` are of the reference; ``add``, ``cancel`` and ``progress`` are our own, answered in the manner
of spec management 1.3.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from heliograph.api.call import Call
from heliograph.api.files import attach
from heliograph.api.inputs import Integer, Parameter
from heliograph.api.operation import Operation, Pace
from heliograph.api.shapes import ACK, Field, Record, Rows, Type
from heliograph.core.exports import MEDIA, NAME_MOST, PHONES_MOST, Task, read_form, read_period
from heliograph.core.reasons import Reason, Refusal, Refused
from heliograph.core.zones import format_date
from heliograph.services.exports import Opened, want

T = TypeVar("T")

COUNT_MOST = 1000
CNT = Integer("cnt", "Tasks in the reply", low=1, high=COUNT_MOST, missing=100, zero_is_absent=True)
AFTER_ID = Integer("after_id", "Only tasks with an id above this one")
ID = Integer("id", "Id of the task")
NAME = Parameter("name", "Name of the file; of no use beside id", "as get_list tells it")
START = Parameter("start", "First day, by the date of sending in the account's zone", "dd.mm.yyyy", required=True)
END = Parameter("end", "Last day", "dd.mm.yyyy", "the same as start")
PHONE = Parameter("phone", "Only messages to this number, or to those of a comma list", default="all numbers")
FORM = Parameter("form", "How the file is written", "csv, gzip (CSV, compressed) or xlsx", "csv")
TITLE = Parameter(
    "name", "A name for the task, which its list shows", f"text, {NAME_MOST} characters are kept", "period"
)

TASK = Record(
    root="task",
    fields=(
        Field("id", Type.NUMBER, "Id of the task"),
        Field("name", help="Name of the task"),
        Field("status", help="0 waiting, 1 in progress, 2 done, 3 cancelled, 4 failed"),
        Field("created", help="When it was made, in the account's zone"),
        Field("time", help="When it was begun; empty as long as it waits"),
        Field("file", help="Name of the file; empty until it is done"),
    ),
)
TASKS = Rows("list", TASK)
CREATED = Record(root="result", fields=(Field("id", Type.NUMBER, "Id of the task", "ID = {}"),))
PROGRESS = Record(
    root="task",
    fields=(
        Field("status", Type.NUMBER, "0 waiting, 1 in progress, 2 done, 3 cancelled, 4 failed"),
        Field("rows_done", Type.NUMBER, "Messages in the file"),
        Field("rows_all", Type.NUMBER, "Messages that it will hold at most, as far as is known by now"),
        Field("percent", Type.NUMBER, "How much is done; 100 when the file can be fetched"),
        Field("error", help="Why it failed; empty otherwise", free=True),
    ),
)


def handle_list(call: Call) -> None:
    """Tasks of the account, in the order of their ids."""

    def finish(call: Call, tasks: list[Task]) -> None:
        call.answer(TASKS, [_describe(task, call.account.settings.tz) for task in tasks])

    after_id, count = AFTER_ID.read(call.params), CNT.read(call.params)
    call.services.exports.tasks(call.account.id, after_id, count, _given(call, finish))


def handle_file(call: Call) -> None:
    """The file of a task, as it lies on disk."""
    id_, name = ID.read(call.params), NAME.text(call.params)
    if not id_ and not name:
        raise Refused(Reason.BAD_PARAMETERS, "id or name is missing")

    def finish(call: Call, opened: Opened) -> None:
        task = opened.task
        call.respond(attach(opened.file, opened.size, task.file, MEDIA[task.wanted.form]))

    call.services.exports.open(call.account.id, id_, name, _given(call, finish))


def handle_add(call: Call) -> None:
    """Makes a task."""
    params, account = call.params, call.account
    start, end = START.text(params), END.text(params)
    start_ms, end_ms = read_period(start, end, account.settings.tz)
    phones = _read_phones(call, PHONE.text(params))
    wanted = want(account, start_ms, end_ms, read_form(FORM.text(params)), phones=phones)
    title = TITLE.text(params).strip() or (f"{start.strip()} - {end.strip()}" if end.strip() else start.strip())

    def finish(call: Call, task: Task) -> None:
        call.answer(CREATED, {"id": task.id})

    call.services.exports.add(wanted, title, call.now_ms, _given(call, finish))


def handle_cancel(call: Call) -> None:
    """Cancels a task, or removes its file."""
    call.services.exports.cancel(
        call.account.id, _read_id(call), call.now_ms, _given(call, lambda call, _: call.answer(ACK, None))
    )


def handle_progress(call: Call) -> None:
    """How far a task is."""

    def finish(call: Call, task: Task) -> None:
        value = {
            "status": int(task.status),
            "rows_done": task.rows_done,
            "rows_all": task.rows_all,
            "percent": task.percent,
            "error": task.complaint,
        }
        call.answer(PROGRESS, value)

    call.services.exports.find(call.account.id, _read_id(call), _given(call, finish))


def _given(call: Call, finish: Callable[[Call, T], None]) -> Callable[[T | Refusal], None]:
    """A callback that passes a service's refusal on, and anything else to ``finish``."""

    def take(call: Call, found: T | Refusal) -> None:
        if isinstance(found, Refusal):
            call.refuse(found)
        else:
            finish(call, found)

    return call.then(take)


def _read_id(call: Call) -> int:
    id_ = ID.read(call.params)
    if not id_:
        raise Refused(Reason.BAD_PARAMETERS, "id is missing")
    return id_


def _read_phones(call: Call, text: str) -> list[str]:
    """The international numbers of a comma list; a bad one would make an empty file, so it is refused."""
    if text.count(",") > PHONES_MOST:
        raise Refused(Reason.BAD_PARAMETERS, f"more than {PHONES_MOST} numbers")
    phones = []
    for part in text.split(","):
        if part.strip():
            phone = call.services.normalize(part.strip())
            if phone is None:
                raise Refused(Reason.BAD_PARAMETERS, "phone holds a bad number")
            phones.append(phone)
    return phones


def _describe(task: Task, zone: str) -> Mapping[str, Any]:
    return {
        "id": task.id,
        "name": task.name,
        "status": int(task.status),
        "created": format_date(task.created_ms, zone),
        "time": format_date(task.started_ms, zone),
        "file": task.ready,
    }


_WORDS = {Reason.NOT_FOUND: (5, "not found"), Reason.TOO_MANY_TASKS: (9, "too many tasks")}
_BAD = (1, "Missing or bad parameter")
_NO_TASK = (5, "There is no such task")
_THREE = "3 identical requests a minute"

OPERATIONS = (
    Operation(
        name="get_list",
        page="downloads",
        flag="get_list",
        title="Deferred tasks",
        help="Lists the exports of the account's history, in the order of their ids.",
        handler=handle_list,
        parameters=(CNT, AFTER_ID),
        replies=(("tasks", TASKS),),
        errors=(_BAD,),
        limits=(_THREE,),
        paces=(Pace(limit=3),),
    ),
    Operation(
        name="get_file",
        page="downloads",
        flag="get_file",
        title="File of a deferred task",
        help="Gives the file of a task that is done, as an attachment, with its length; HTTP 200 as everywhere.",
        handler=handle_file,
        parameters=(ID, NAME),
        replies=(),
        gives="The file itself: text/csv, application/gzip or an XLSX workbook, with Content-Disposition and Content-Length",
        errors=(_BAD, (5, "There is no such task or file, or it is not done")),
        limits=(_THREE,),
        paces=(Pace(limit=3),),
        words=_WORDS,
    ),
    Operation(
        name="add_export",
        page="downloads",
        flag="add",
        title="A new deferred task",
        help="Has the messages of a period written into a file. Not of the reference.",
        handler=handle_add,
        parameters=(START, END, PHONE, FORM, TITLE),
        replies=(("the task", CREATED),),
        errors=(_BAD,),
        limits=(
            _THREE,
            "100 requests an hour",
            f"{PHONES_MOST} numbers in phone",
            "exports.tasks of the configuration bounds the tasks that wait, are in progress or have a file (error 9)",
        ),
        paces=(Pace(limit=3), Pace(limit=100, period_s=3600, identical=False)),
        words=_WORDS,
    ),
    Operation(
        name="cancel_export",
        page="downloads",
        flag="cancel",
        title="Cancel a deferred task",
        help="Ends a task that waits or is in progress; of one that is done the file is removed. Not of the reference.",
        handler=handle_cancel,
        parameters=(ID,),
        replies=(("cancelled", ACK),),
        errors=(_BAD, (5, "There is no such task, or it ended without a file")),
        limits=(_THREE,),
        paces=(Pace(limit=3),),
        words=_WORDS,
    ),
    Operation(
        name="export_progress",
        page="downloads",
        flag="progress",
        title="Progress of a deferred task",
        help="Tells how far a task is. Not of the reference.",
        handler=handle_progress,
        parameters=(ID,),
        replies=(("the task", PROGRESS),),
        errors=(_BAD, _NO_TASK),
        limits=("60 identical requests a minute",),
        paces=(Pace(limit=60),),
        words=_WORDS,
    ),
)
