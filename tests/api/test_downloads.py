"""downloads.php in the four formats (seed 001, the end of it; spec management 1.3 for our own answers)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.fakes.api import NOW_MS, House

from heliograph.api.operations import downloads
from heliograph.api.request import Request, Stream
from heliograph.core.exports import Form, Place, State
from heliograph.core.reasons import Reason, Refusal

PATH = "/sys/downloads.php"
FILE = "history-2024-10-xxxxxxxxxxxxxxxxxxxxxxxx.csv"
OCTOBER = {"add": 1, "start": "01.10.2024", "end": "31.10.2024"}


@pytest.fixture
def house() -> House:
    """One task of alex that waits, and one of somebody else."""
    house = House(downloads.OPERATIONS)
    assert house.ask(PATH, fmt=3, **OCTOBER) == '{"id": 1}'
    house.exports.made.append(msgspec.structs.replace(house.exports.made[0], id=2, account_id=8, file="history-other"))
    return house


def end(house: House, **changes: Any) -> None:
    """The first task is begun, or over."""
    house.exports.made[0] = msgspec.structs.replace(house.exports.made[0], **changes)


def fail(house: House, number: int, words: str, **params: object) -> None:
    """All four formats give this error."""
    assert house.four(PATH, **params) == (
        f"ERROR = {number} ({words})",
        f"0,-{number}",
        f"<result><error>{words}</error><error_code>{number}</error_code></result>",
        f'{{"error": "{words}", "error_code": {number}}}',
    )


async def collect(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in chunks])


def fetch(house: House, query: str) -> Stream:
    """The file as the door gets it."""
    house.api(
        Request("GET", PATH, f"login=alex&psw=123&get_file=1&{query}".encode(), received_ns=NOW_MS * 1_000_000),
        house.answers.append,
    )
    answer = house.answers[-1]
    assert isinstance(answer, Stream)
    return answer


def test_task_that_waits_has_no_time_and_no_file(house: House) -> None:
    """Exactly the shapes of the reference: in JSON the id is a number, all else strings."""
    assert house.four(PATH, get_list=1) == (
        "id = 1, name = 01.10.2024 - 31.10.2024, status = 0, created = 14.11.2024 12:30:00, time = , file = ",
        "1,01.10.2024 - 31.10.2024,0,14.11.2024 12:30:00,,",
        "<list><task><id>1</id><name>01.10.2024 - 31.10.2024</name><status>0</status>"
        "<created>14.11.2024 12:30:00</created><time></time><file></file></task></list>",
        '[{"id": 1, "name": "01.10.2024 - 31.10.2024", "status": "0", "created": "14.11.2024 12:30:00", '
        '"time": "", "file": ""}]',
    )


def test_task_that_is_done_names_its_file(house: House) -> None:
    """Only from state 2 on: before, the name leads nowhere."""
    end(house, status=State.RUNNING, started_ms=NOW_MS + 5000)
    assert house.ask(PATH, fmt=1, get_list=1) == "1,01.10.2024 - 31.10.2024,1,14.11.2024 12:30:00,14.11.2024 12:30:05,"
    end(house, status=State.DONE)
    assert house.four(PATH, get_list=1) == (
        "id = 1, name = 01.10.2024 - 31.10.2024, status = 2, created = 14.11.2024 12:30:00, "
        f"time = 14.11.2024 12:30:05, file = {FILE}",
        f"1,01.10.2024 - 31.10.2024,2,14.11.2024 12:30:00,14.11.2024 12:30:05,{FILE}",
        "<list><task><id>1</id><name>01.10.2024 - 31.10.2024</name><status>2</status>"
        f"<created>14.11.2024 12:30:00</created><time>14.11.2024 12:30:05</time><file>{FILE}</file></task></list>",
        '[{"id": 1, "name": "01.10.2024 - 31.10.2024", "status": "2", "created": "14.11.2024 12:30:00", '
        f'"time": "14.11.2024 12:30:05", "file": "{FILE}"}}]',
    )


def test_empty_list_is_no_error(house: House) -> None:
    """Unlike the history, this list may be empty."""
    assert house.four(PATH, get_list=1, after_id=1) == ("", "", "<list></list>", "[]")


def test_cnt_and_after_id_page_through_the_list(house: House) -> None:
    """In the order of the ids; bad numbers are error 1."""
    for day in (2, 3):
        house.ask(PATH, add=1, start=f"0{day}.10.2024")
    pages = [house.ask(PATH, fmt=1, get_list=1, cnt=1, after_id=after) for after in (0, 1, 3)]
    assert [page.split(",")[:2] for page in pages] == [
        ["1", "01.10.2024 - 31.10.2024"],
        ["3", "02.10.2024"],
        ["4", "03.10.2024"],
    ]
    fail(house, 1, "parameters error: cnt is a whole number from 1 to 1000", get_list=1, cnt=1001)
    fail(house, 1, "parameters error: after_id is a whole number from 0", get_list=1, after_id="x")


@pytest.mark.parametrize("query", ["id=1", f"name={FILE}", f"id=1&name={FILE}&fmt=3"])
def test_file_comes_as_an_attachment(house: House, query: str) -> None:
    """By id or by name, whatever the format: the file itself, with its length."""
    end(house, status=State.DONE)
    house.exports.files[1] = b"x" * 300_000 + "Текст".encode()
    stream = fetch(house, query)
    assert asyncio.run(collect(stream.chunks)) == house.exports.files[1]
    assert (stream.status, stream.length, stream.content_type) == (200, 300_010, b"text/csv; charset=utf-8")
    assert dict(stream.headers)[b"Content-Disposition"] == f'attachment; filename="{FILE}"'.encode()
    assert house.guard.inside == 0


def test_media_type_is_that_of_the_form(house: House) -> None:
    """A browser opens what it is told."""
    house.ask(PATH, form="xlsx", **OCTOBER)
    house.exports.files[3] = b"PK"
    stream = fetch(house, "id=3")
    assert stream.content_type == b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    assert b".xlsx" in dict(stream.headers)[b"Content-Disposition"]


def test_file_that_is_not_there_is_error_5(house: House) -> None:
    """Not ready, unknown, and another account's: nobody learns which."""
    house.exports.files[2] = b"secret"
    for params in ({"id": 1}, {"id": 9}, {"id": 2}, {"name": "history-other"}, {"name": "../heliograph.key"}):
        fail(house, 5, "not found", get_file=1, **params)


def test_file_without_id_and_name_is_error_1(house: House) -> None:
    """And so is an id that is no number."""
    fail(house, 1, "parameters error: id or name is missing", get_file=1)
    fail(house, 1, "parameters error: id is a whole number from 0", get_file=1, id="one")


def test_no_action_is_error_1(house: House) -> None:
    """The page has several."""
    fail(house, 1, "parameters error: no action is named")


def test_login_is_checked_and_bans_hold(house: House) -> None:
    """Errors 2 and 4 as everywhere."""
    fail(house, 2, "authorise error", get_list=1, psw="1234")
    house.guard.banned.add("127.0.0.1")
    fail(house, 4, "ip is blocked", get_list=1)


@pytest.mark.parametrize("params", [{"get_list": 1}, {"get_file": 1, "id": 1}, {"cancel": 1, "id": 9}, OCTOBER])
def test_fourth_identical_request_within_a_minute_is_error_9(house: House, params: dict[str, object]) -> None:
    """The reference allows three."""
    house.guard.paces.clear()
    answers = [house.ask(PATH, fmt=1, **params) for _ in range(4)]
    assert "0,-9" not in answers[:3] and answers[3] == "0,-9"


def test_task_is_made(house: House) -> None:
    """What was asked for reaches the service: the days in the account's zone, international numbers."""
    answers = house.four(PATH, phone="89161234567, 79161234568", form="gzip", name="Для бухгалтерии", **OCTOBER)
    assert answers == ("ID = 3", "4", "<result><id>5</id></result>", '{"id": 6}')
    wanted = house.exports.made[-1].wanted
    assert (wanted.start_ms, wanted.end_ms) == (1_727_730_000_000, 1_730_408_400_000)  # midnights in Moscow
    assert (wanted.account_id, wanted.form, wanted.phones) == (7, Form.GZIP, ("79161234567", "79161234568"))
    assert (wanted.currency, wanted.tz, wanted.english) == ("RUR", "Europe/Moscow", False)
    assert house.exports.made[-1].name == "Для бухгалтерии"


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "start is missing"),
        ({"start": "2024-10-01"}, "'2024-10-01' is no date; write it like 01.10.2026"),
        ({"start": "31.02.2024"}, "'31.02.2024' is no date; write it like 01.10.2026"),
        ({"start": "02.10.2024", "end": "01.10.2024"}, "the period ends before it begins"),
        ({"start": "02.10.2024", "form": "pdf"}, "form is csv; gzip or xlsx"),
        ({"start": "02.10.2024", "phone": "12"}, "phone holds a bad number"),
        ({"start": "02.10.2024", "phone": "1," * 1001}, "more than 1000 numbers"),
    ],
)
def test_bad_task_is_error_1(house: House, params: dict[str, object], words: str) -> None:
    """A task that would write nothing is not made."""
    fail(house, 1, f"parameters error: {words}", add=1, **params)
    assert len(house.exports.made) == 2


def test_too_many_tasks_are_error_9(house: House) -> None:
    """Each may fill the disk."""
    house.exports.refusal = Refusal(Reason.TOO_MANY_TASKS)
    fail(house, 9, "too many tasks", **OCTOBER)


def test_task_is_cancelled(house: House) -> None:
    """OK as for every change; error 5 for another's."""
    assert house.four(PATH, cancel=1, id=1) == ("OK", "OK", "<result>OK</result>", '{"result": "OK"}')
    fail(house, 5, "not found", cancel=1, id=2)
    fail(house, 1, "parameters error: id is missing", cancel=1)


def test_progress_is_told(house: House) -> None:
    """A page or a script draws a bar with it."""
    end(house, status=State.RUNNING, rows_done=450, rows_all=1000, place=Place(looked=480, total=1000, rows=450))
    assert house.four(PATH, progress=1, id=1) == (
        "status = 1, rows_done = 450, rows_all = 1000, percent = 48, error = ",
        "1,450,1000,48,",
        "<task><status>1</status><rows_done>450</rows_done><rows_all>1000</rows_all><percent>48</percent>"
        "<error></error></task>",
        '{"status": 1, "rows_done": 450, "rows_all": 1000, "percent": 48, "error": ""}',
    )
    fail(house, 5, "not found", progress=1, id=2)
    end(house, status=State.FAILED, complaint="there is no room left, make some")
    assert house.ask(PATH, fmt=1, progress=1, id=1).endswith("there is no room left, make some")


def test_store_that_is_away_is_error_9(house: House) -> None:
    """As for every other operation: come again."""
    house.exports.refusal = Refusal(Reason.STORE_FULL)
    for params in (
        {"get_list": 1},
        {"get_file": 1, "id": 1},
        OCTOBER,
        {"cancel": 1, "id": 1},
        {"progress": 1, "id": 1},
    ):
        fail(house, 9, "too many concurrent requests", **params)
