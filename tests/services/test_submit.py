"""Submitting: what is refused and why, what is stored and charged (services/submit.py and deciding, births, quotas)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.databases import BACKENDS
from tests.house import HANDLER, KAZAKH, NOW, PHONE, PRICE, House, make, open_house, overdraft

from heliograph.core.messages import Accepted, Kind, Quote, Recipient, Submission
from heliograph.core.money import SCALE
from heliograph.core.reasons import Reason, Refusal
from heliograph.core.status import Err, Status
from heliograph.services import accounts, blacklists, ledgers, senders
from heliograph.services.staging import PORTION
from heliograph.services.submit import STAGE_OVER
from heliograph.store.database import Full, Lost

both = pytest.mark.parametrize("backend", BACKENDS)
OTHER = "79161234568"
GERMAN = "491711234567"


@both
def test_accepted_text_is_on_disk_charged_and_queued(backend: str, tmp_path: Path) -> None:
    """The answer promises all of it: the row, the queue row, the ledger row and the exact charge."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            taken: list[int] = []
            house.submitting.accepted = lambda messages: taken.extend(m.int_id for m in messages)
            answer = await house.send("8 (916) 123-45-67", text="a" * 161 + "\n~~~\nmine")
            assert isinstance(answer, Accepted)
            assert (answer.id, answer.parts, answer.cost, answer.balance) == (
                "1",
                2,
                2 * PRICE,
                1000 * SCALE - 2 * PRICE,
            )
            assert [(v.phone, v.mccmnc, v.cost, v.status) for v in answer.verdicts] == [(PHONE, "25001", 2 * PRICE, 0)]
            (message,) = await house.stored()
            assert (message.phone, message.given, message.parts, message.comment) == (
                PHONE,
                "8 (916) 123-45-67",
                2,
                "mine",
            )
            assert (message.status, message.sender, message.route_id, message.carrier_id) == (
                Status.WAITING,
                "Shop",
                1,
                1,
            )
            assert message.expires_ms == NOW + 86_400_000 and message.send_ms == NOW
            assert await house.queued(message) == (1, 1, NOW, 0, 0)
            assert await house.ledger(message) == [("charge", -2 * PRICE)]
            assert await house.balance() == answer.balance
            assert taken == [message.int_id]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("account", "more", "reason", "status", "err"),
    [
        ({}, {"phones": ["12"]}, Reason.BAD_NUMBER, 22, 249),
        ({}, {"phones": [GERMAN]}, Reason.NO_ROUTE, 25, 248),
        ({}, {"phones": ["33612345678"]}, Reason.NO_PRICE, 25, 248),
        ({"prefixes": "7,-7916"}, {}, Reason.NUMBER_DENIED, 23, 250),
        ({"prefixes": "380"}, {}, Reason.NUMBER_DENIED, 23, 250),
        ({"any_sender": "no"}, {"sender": "Mine"}, Reason.SENDER_DENIED, 23, 254),
        ({}, {"sender": "Longer than eleven"}, Reason.SENDER_DENIED, 23, 254),
        ({}, {"sender": "Привет"}, Reason.SENDER_DENIED, 23, 254),
        ({"hours": "9-17", "hours_refuse": "yes"}, {}, Reason.OUTSIDE_HOURS, 23, 246),
        ({"no_mailings": "yes"}, {"phones": [PHONE, OTHER]}, Reason.MAILING_DENIED, 23, 244),
        ({"test": "no"}, {"text": "a" * 1000, "phones": [KAZAKH] * 1, "many": 29}, Reason.NO_MONEY, 24, 0),
    ],
)
def test_refused_message_is_stored_with_its_error_and_costs_nothing(
    account: dict[str, str], more: dict[str, Any], reason: Reason, status: int, err: int, tmp_path: Path
) -> None:
    """Errors 3, 6, 7 and 8 name a message that can be looked up; it neither waits nor blocks a better try."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, **account) as house:
            phones = list(more.pop("phones", [PHONE]))
            phones += [f"770112345{n:02d}" for n in range(more.pop("many", 0))]
            answer = await house.send(*phones, **more)
            assert answer == Refusal(reason, id="1")
            stored = await house.stored()
            assert [(m.status, m.err, m.cost, m.id) for m in stored] == [(status, err, 0, "1")] * len(phones)
            assert await house.queued(stored[0]) is None and await house.ledger(stored[0]) == []
            assert await house.balance() == 1000 * SCALE
            assert isinstance(await house.send(*phones, **more), Refusal), "no error 9 after a refusal"
            assert len(await house.stored()) == 2 * len(phones)

    asyncio.run(story())


@pytest.mark.parametrize("text", ["", "a" * 1001])
def test_text_that_cannot_be_sent_stores_nothing(text: str, tmp_path: Path) -> None:
    """Error 1 comes without an id."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, number_limit="1") as house:
            answer = await house.accept(Submission(recipients=(Recipient(PHONE, "good"), Recipient(OTHER, text))))
            assert isinstance(answer, Refusal) and (answer.reason, answer.id) == (Reason.BAD_PARAMETERS, "")
            assert await house.stored() == []
            assert isinstance(await house.send(PHONE, text="good"), Accepted), "the first one was not counted"
            assert (await house.accept(Submission(recipients=()))) == Refusal(Reason.BAD_PARAMETERS, "no recipients")

    asyncio.run(story())


@both
def test_bad_recipients_do_not_fail_the_others(backend: str, tmp_path: Path) -> None:
    """In a mailing the bad ones end with their error and are told to the handler; the rest is charged and goes out."""

    async def story() -> None:
        async with open_house(backend, tmp_path, callback_url=HANDLER) as house:
            told: list[Any] = []
            house.desk.batch.watch["callbacks.add"] = told.extend
            answer = await house.send(PHONE, "no number", GERMAN, OTHER)
            assert isinstance(answer, Accepted) and (answer.parts, answer.cost) == (2, 2 * PRICE)
            assert [(v.phone, v.status, v.err) for v in answer.verdicts] == [
                (PHONE, 0, 0),
                ("no number", 22, 249),
                (GERMAN, 25, 248),
                (OTHER, 0, 0),
            ]
            assert [m.lane for m in await house.stored()] == [3] * 4
            assert [(row[3], row[4]) for row in told] == [(22, 249), (25, 248)]
            assert await house.balance() == 1000 * SCALE - 2 * PRICE

    asyncio.run(story())


def test_records_have_their_own_sender_and_zone(tmp_path: Path) -> None:
    """A list may name a sender and a zone for each number (spec sending 3.4)."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            at = NOW + 7_200_000
            recipients = (
                Recipient(PHONE, "a", "Own", 300),
                Recipient(OTHER, "b"),
                Recipient(KAZAKH, "c", ".", 180),
            )
            answer = await house.accept(Submission(recipients=recipients, send_ms=at, zone_min=180, sender="All"))
            assert isinstance(answer, Accepted)
            found = [(m.sender, m.send_ms - at, m.text) for m in await house.stored()]
            assert found == [("Own", -7_200_000, "a"), ("All", 0, "b"), ("", 0, "c")]

    asyncio.run(story())


@both
def test_identical_request_is_refused_for_a_minute_and_after_a_restart(backend: str, tmp_path: Path) -> None:
    """Client libraries repeat an unanswered request within seconds, also on a server that has just come back."""

    async def story() -> None:
        async with open_house(backend, tmp_path, no_duplicates="yes") as house:
            assert isinstance(await house.send(PHONE, OTHER), Accepted)
            again = Refusal(Reason.REPEATED_REQUEST)
            assert await house.send(OTHER, PHONE) == again, "the order of numbers does not matter"
            assert await house.send(OTHER, PHONE, id="77") == again, "nor does another id"
            assert await house.send("+" + PHONE, OTHER) == again, "nor how a number is written"
            assert isinstance(await house.send("12"), Refusal)
            next_one = await house.restart()
            assert await next_one.send(PHONE, OTHER) == again
            assert await next_one.send(PHONE) == Refusal(Reason.DUPLICATE, id="3"), "copies are known again, too"
            assert await next_one.send("12") == Refusal(Reason.BAD_NUMBER, id="4"), "refused ones may come again"
            next_one.now = NOW + 60_000
            assert isinstance(await next_one.send(PHONE, OTHER), Accepted)

    asyncio.run(story())


def test_repeats_inside_a_request_are_sent_once(tmp_path: Path) -> None:
    """The same number written in two ways, with the same text, is one message; another text is another message."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            answer = await house.send(PHONE, PHONE, "8" + PHONE[1:], "+" + PHONE)
            assert isinstance(answer, Accepted) and answer.parts == 1 and len(await house.stored()) == 1
            texts = (Recipient(PHONE, "one"), Recipient("8" + PHONE[1:], "two"), Recipient(PHONE, "one"))
            answer = await house.accept(Submission(recipients=texts))
            assert isinstance(answer, Accepted) and answer.parts == 2
            quote = await house.price(make(PHONE, "8" + PHONE[1:]))
            assert isinstance(quote, Quote) and quote.parts == 1
            assert await house.balance() == 1000 * SCALE - 3 * PRICE

    asyncio.run(story())


def test_lanes_follow_rate_and_count_and_a_wish_only_lowers(tmp_path: Path) -> None:
    """A campaign sent one by one must not crowd out codes."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, code_rate="2") as house:
            for number in range(4):
                await house.send(PHONE, text=f"code {number}")
            assert [m.lane for m in await house.stored()] == [1, 1, 2, 2]
            house.now += 1000
            await house.send(PHONE, text="low", lane=3)
            await house.send(PHONE, OTHER, text="many", lane=1)
            await house.send(PHONE, text="code again")
            assert [m.lane for m in await house.stored()][4:] == [3, 3, 3, 1]
            await house.set(lane="2")
            await house.send(PHONE, text="second", lane=1)
            await house.set(lane="1", code_rate="0")
            await house.send(PHONE, text="none in the first")
            assert [m.lane for m in await house.stored()][8:] == [2, 2]

    asyncio.run(story())


@both
def test_test_mode_sends_and_charges_nothing(backend: str, tmp_path: Path) -> None:
    """Everything looks like a real send; status 1 with error 200 is told to the handler."""

    async def story() -> None:
        async with open_house(backend, tmp_path, test="yes", callback_url=HANDLER) as house:
            told: list[Any] = []
            house.desk.batch.watch["callbacks.add"] = told.extend
            answer = await house.send(PHONE)
            assert isinstance(answer, Accepted) and answer.test and (answer.cost, answer.balance) == (0, 1000 * SCALE)
            (message,) = await house.stored()
            assert (message.status, message.err, message.cost) == (Status.DELIVERED, Err.VIRTUAL, 0)
            assert await house.queued(message) is None and [row[3] for row in told] == [1]
            # As outside test mode: the reply tells of a request that is refused as a whole, the handler is not told.
            assert isinstance(await house.send("123"), Refusal) and len(told) == 1
            quote = await house.price(make(PHONE))
            assert isinstance(quote, Quote) and quote.cost == 0
            assert await house.balance() == 1000 * SCALE

    asyncio.run(story())


def test_mailing_is_stretched_in_portions(tmp_path: Path) -> None:
    """period and freq: ten numbers over five hours, two every hour; what falls outside the hours waits for them."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            phones = [f"7916000000{n}" for n in range(10)]
            await house.send(*phones, period_s=5 * 3600, freq_s=3600)
            stored = await house.stored()
            assert [(m.send_ms - NOW) // 3_600_000 for m in stored] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
            assert all(m.expires_ms == m.send_ms + 86_400_000 for m in stored)
            await house.set(hours="9-19")  # it is 17:13 in Moscow
            await house.send(*phones, text="by day", period_s=5 * 3600, freq_s=3600)
            morning = NOW - NOW % 86_400_000 + 86_400_000 + 6 * 3_600_000
            assert [m.send_ms for m in (await house.stored())[14:]] == [morning] * 6

    asyncio.run(story())


@pytest.mark.parametrize(
    ("hours", "local", "phone", "wait_h"),
    [
        ("9-18", "no", PHONE, 0),
        ("9-17", "no", PHONE, 16),
        ("20-6", "no", PHONE, 3),
        ("9-19", "yes", KAZAKH, 14),  # 19:13 in Kazakhstan
        ("0-24", "no", PHONE, 0),
    ],
)
def test_hours_hold_a_text_back(hours: str, local: str, phone: str, wait_h: int, tmp_path: Path) -> None:
    """Nobody is woken at night, in the account's zone or the subscriber's; queries are not held back."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, hours=hours, hours_local=local) as house:
            (message,) = await house.accepted(phone)
            opening = NOW - NOW % 3_600_000 + wait_h * 3_600_000
            assert message.send_ms == (opening if wait_h else NOW)
            (query,) = await house.accepted(phone, kind=Kind.HLR)
            assert (query.send_ms, query.parts) == (NOW, 1)

    asyncio.run(story())


def test_black_lists_stop_all_or_mailings_or_singles(tmp_path: Path) -> None:
    """Three types of entry, for one account or the installation (spec management 1.2)."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            for number, type_ in ((1, 0), (2, 1), (3, 2)):
                await blacklists.add(
                    house.db,  # type: ignore[arg-type]
                    [f"7916000000{number}"],
                    house.snapshots.current.plan,
                    login="shop",
                    type_=type_,
                    now_ms=NOW,
                )
            await house.snapshots.refresh()
            phones = [f"7916000000{n}" for n in (1, 2, 3)]
            singles = [isinstance(await house.send(phone), Accepted) for phone in phones]
            assert singles == [False, True, False]
            answer = await house.send(*phones, text="many")
            assert isinstance(answer, Accepted)
            assert [(v.status, v.err) for v in answer.verdicts] == [(23, 252), (23, 252), (0, 0)]

    asyncio.run(story())


def test_only_registered_senders_may_be_named(tmp_path: Path) -> None:
    """A name of the account or of the installation, or the account's default; none is always allowed."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, any_sender="no") as house:
            await senders.put(house.db, "Mine", login="shop", now_ms=NOW)  # type: ignore[arg-type]
            await senders.put(house.db, "Everyone", login="", now_ms=NOW)  # type: ignore[arg-type]
            await house.snapshots.refresh()
            allowed = {}
            for name in ("Mine", "Everyone", "Shop", None, "", ".", "Other", "79161112233"):
                allowed[name] = isinstance(await house.send(PHONE, text=f"from {name}", sender=name), Accepted)
            assert [name for name, ok in allowed.items() if not ok] == ["Other", "79161112233"]
            assert [m.sender for m in await house.stored() if m.status == -1] == [
                "Mine",
                "Everyone",
                "Shop",
                "Shop",
                "",
                "",
            ]

    asyncio.run(story())


@both
@pytest.mark.parametrize(
    ("limit", "reason", "same", "other"),
    [
        ("day_limit", Reason.DAY_LIMIT, False, False),
        ("number_limit", Reason.NUMBER_LIMIT, False, True),
        ("text_limit", Reason.NUMBER_LIMIT, True, True),
        ("ip_limit", Reason.NUMBER_LIMIT, False, False),
    ],
)
def test_limits_of_the_day_hold_over_a_restart(
    limit: str, reason: Reason, same: bool, other: bool, backend: str, tmp_path: Path
) -> None:
    """Two a day, counted within one request and over several, known again after a restart, gone at midnight."""

    async def story() -> None:
        async with open_house(backend, tmp_path, **{limit: "2"}) as house:
            said = (lambda n: "same") if same else (lambda n: f"text {n}")
            who: dict[str, Any] = {"user_ip": "192.0.2.1"}
            recipients = tuple(Recipient(PHONE, said(n)) for n in range(1 if same else 3))
            answer = await house.accept(Submission(recipients=recipients, **who))
            if same:
                house.now += 61_000
                answer = await house.accept(Submission(recipients=recipients, **who))
                house.now += 61_000
                refused = await house.accept(Submission(recipients=recipients, **who))
                assert isinstance(refused, Refusal) and refused.reason == reason
            else:
                assert isinstance(answer, Accepted) and [bool(v.status) for v in answer.verdicts] == [
                    False,
                    False,
                    True,
                ]
            next_one = await house.restart(61_000)
            refused = await next_one.send(PHONE, text=said(9), **who)
            assert isinstance(refused, Refusal) and refused.reason == reason
            assert isinstance(await next_one.send(OTHER, text=said(9), **who), Accepted) is other
            next_one.now = NOW + 7 * 3_600_000  # past midnight in Moscow
            assert isinstance(await next_one.send(PHONE, text=said(9), **who), Accepted)

    asyncio.run(story())


def test_refused_request_does_not_use_limits_up(tmp_path: Path) -> None:
    """What was never sent for want of money is no copy and does not count."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, no_duplicates="yes", number_limit="1") as house:
            await accounts.correct(house.db, "shop", -1000 * SCALE, now_ms=NOW, note="empty")  # type: ignore[arg-type]
            await house.desk.take_balances()
            assert (await house.send(PHONE)).reason == Reason.NO_MONEY  # type: ignore[union-attr]
            await accounts.top_up(house.db, "shop", 10 * SCALE, now_ms=NOW)  # type: ignore[arg-type]
            await house.desk.take_balances()
            assert isinstance(await house.send(PHONE), Accepted)
            house.db.fault = Full("full")
            assert await house.send(OTHER) == Refusal(Reason.STORE_FULL)
            house.db.fault = None
            assert isinstance(await house.send(OTHER), Accepted)
            assert await house.balance() == 10 * SCALE - 2 * PRICE

    asyncio.run(story())


def test_copy_of_a_recent_message_is_stopped(tmp_path: Path) -> None:
    """The option against duplicates looks at number and text, whatever the rest of the request."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, no_duplicates="yes") as house:
            assert isinstance(await house.send(PHONE), Accepted)
            answer = await house.send(PHONE, OTHER, sender="Else")
            assert isinstance(answer, Accepted) and [(v.status, v.err) for v in answer.verdicts] == [(23, 251), (0, 0)]
            house.now += 60_000
            assert isinstance(await house.send(PHONE), Accepted)

    asyncio.run(story())


def test_flood_to_one_number_is_stopped(tmp_path: Path) -> None:
    """More than 50 with gaps below 30 seconds: status 23, error 251 (spec sending 9.3)."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            answers = []
            for number in range(52):
                house.now += 29_000
                answers.append(house.accept(make(PHONE, text=f"text {number}")))
            ok = [isinstance(await answer, Accepted) for answer in answers]
            assert ok == [True] * 50 + [False] * 2
            assert [(m.status, m.err) for m in (await house.stored())[50:]] == [(23, 251)] * 2
            house.now += 30_000
            assert isinstance(await house.send(PHONE, text="later"), Accepted)

    asyncio.run(story())


def test_price_query_uses_the_same_rules_and_five_a_minute(tmp_path: Path) -> None:
    """cost=1 stores and counts nothing; the sixth identical one is error 9."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, number_limit="1") as house:
            submission = make(PHONE, "12", KAZAKH)
            for _ in range(5):
                quote = await house.price(submission)
                assert isinstance(quote, Quote) and (quote.cost, quote.parts) == (PRICE + 5 * SCALE, 2)
            assert await house.price(submission) == Refusal(Reason.REPEATED_REQUEST)
            assert await house.price(make(GERMAN)) == Refusal(Reason.NO_ROUTE)
            assert await house.price(make(PHONE, text="")) == Refusal(Reason.BAD_PARAMETERS, "text is empty")
            assert await house.stored() == [] and await house.balance() == 1000 * SCALE
            assert isinstance(await house.send(PHONE), Accepted)

    asyncio.run(story())


def test_request_whose_commit_is_in_doubt_is_not_taken_twice(tmp_path: Path) -> None:
    """The database went away during the commit: its texts may go out, so a repeat within the minute is refused, and a
    copy of one of them as well; what is known to be lost may come again at once."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, no_duplicates="yes") as house:
            house.db.fault = Lost("away", unknown=True)
            assert await house.send(PHONE, OTHER) == Refusal(Reason.NOT_POSSIBLE)
            house.db.fault = None
            assert await house.send(PHONE, OTHER) == Refusal(Reason.REPEATED_REQUEST)
            assert (await house.send(PHONE)).reason == Reason.DUPLICATE  # type: ignore[union-attr]
            house.db.fault = Lost("away")
            assert await house.send(PHONE, text="another") == Refusal(Reason.STORE_FULL)
            house.db.fault = None
            assert isinstance(await house.send(PHONE, text="another"), Accepted)
            house.now += 60_000
            assert isinstance(await house.send(PHONE, OTHER), Accepted)

    asyncio.run(story())


def test_price_of_a_large_request_lets_others_go_on(tmp_path: Path) -> None:
    """50,000 recipients priced in one go would hold every other request for a second."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            submission = make(*(f"7916{n:07d}" for n in range(5 * PORTION)), "12", KAZAKH, KAZAKH)
            asked = house.price(submission)
            turns = 0
            while not asked.done():
                await asyncio.sleep(0)
                turns += 1
            quote = await asked
            assert isinstance(quote, Quote) and turns > 5
            assert (quote.cost, quote.parts) == (5 * PORTION * PRICE + 5 * SCALE, 5 * PORTION + 1)
            assert [(v.phone, v.status) for v in quote.verdicts[-2:]] == [("12", 22), (KAZAKH, 0)]
            for _ in range(4):
                assert await house.price(submission) == quote
            assert await house.price(submission) == Refusal(Reason.REPEATED_REQUEST)
            bad = make(*(f"7916{n:07d}" for n in range(STAGE_OVER + 1)), text="")
            assert await house.price(bad) == Refusal(Reason.BAD_PARAMETERS, "text is empty")
            denied = make(*(f"49151{n:07d}" for n in range(STAGE_OVER + 1)))
            assert await house.price(denied) == Refusal(Reason.NO_ROUTE)
            assert await house.stored() == [] and await house.balance() == 1000 * SCALE

    asyncio.run(story())


def test_large_request_is_looked_through_beside_the_loop(tmp_path: Path) -> None:
    """Its fingerprint takes a while: meanwhile others go on, and of two identical ones the second is refused."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            phones = [f"7916{n:07d}" for n in range(STAGE_OVER + 1)]
            first, second = house.accept(make(*phones)), house.accept(make(*reversed(phones)))
            assert isinstance(await house.send(PHONE), Accepted) and not first.done()
            assert await second == Refusal(Reason.REPEATED_REQUEST)
            answer = await first
            assert isinstance(answer, Accepted) and answer.parts == STAGE_OVER + 1
            same = await house.accept(make(*[PHONE] * (STAGE_OVER + 1), text="once"))
            assert isinstance(same, Accepted) and same.parts == 1

    asyncio.run(story())


@both
def test_ids_go_on_after_a_restart(backend: str, tmp_path: Path) -> None:
    """The account's own sequence is dense, and a customer's own id stands beside it."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            assert [m.id for text in ("1", "2") for m in await house.accepted(PHONE, text=text)] == ["1", "2"]
            assert [m.id for m in await house.accepted(PHONE, text="3", id="order-7")] == ["order-7"]
            next_one = await house.restart()
            assert [m.id for m in await next_one.accepted(PHONE, text="4")] == ["3"]
            ids = [m.int_id for m in await house.stored()]
            assert ids == sorted(set(ids))

    asyncio.run(story())


def test_ids_begin_anew_within_31_bits(tmp_path: Path) -> None:
    """Clients keep the id in an int32; a restart after the last one must not go beyond it."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            house.desk._next_id[house.account.id] = 2**31 - 1
            assert [m.id for text in "ab" for m in await house.accepted(PHONE, text=text)] == [str(2**31 - 1), "1"]
            next_one = await house.restart()
            await next_one.accepted(PHONE, text="c")
            await next_one.desk.take_balances()
            assert [m.id for m in await next_one.accepted(OTHER, text="d")] == ["2"]
            assert [m.id for m in await next_one.stored()] == [str(2**31 - 1), "1", "1", "2"]

    asyncio.run(story())


@both
def test_money_taken_by_somebody_else_refuses_only_who_lacks_it(backend: str, tmp_path: Path) -> None:
    """Another connection empties the account between two refreshes: the CHECK refuses, neighbours of the batch are kept."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            await accounts.create(house.db, "rich", tariff="basic", now_ms=NOW, settings={"any_sender": "yes"})  # type: ignore[arg-type]
            await accounts.top_up(house.db, "rich", 10 * SCALE, now_ms=NOW)  # type: ignore[arg-type]
            await house.desk.take_balances()
            await house.snapshots.refresh()
            await accounts.correct(house.db, "shop", -1000 * SCALE + PRICE, now_ms=NOW, note="elsewhere")  # type: ignore[arg-type]
            rich = house.snapshots.current.accounts_by_login["rich"]
            answers: list[Any] = []
            for number in range(3):
                house.submitting.accept(rich, make(PHONE, text=f"rich {number}"), NOW, answers.append)
            mine = [house.accept(make(PHONE, text=f"poor {number}")) for number in range(4)]
            got = [await each for each in mine]
            assert [isinstance(each, Accepted) for each in answers] == [True] * 3
            assert sum(isinstance(each, Accepted) for each in got) == 1
            assert [each for each in got if isinstance(each, Refusal)] == [Refusal(Reason.NO_MONEY)] * 3
            assert len(await house.stored()) == 1
            assert await house.balance() == 0

    asyncio.run(story())


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(1, 4)), min_size=1, max_size=40),
    st.integers(0, 40),
    st.integers(0, 20),
)
def test_concurrent_submissions_never_overdraw(
    tmp_path: Path, wishes: list[tuple[int, int]], parts: int, credit_parts: int
) -> None:
    """However many come at once, what is accepted fits into balance and credit, to the last unit, and the ledger proves it."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            change = parts * PRICE - 1000 * SCALE
            await accounts.correct(house.db, "shop", change, now_ms=NOW, note="test")  # type: ignore[arg-type]
            await accounts.set_credit(house.db, "shop", credit_parts * PRICE)  # type: ignore[arg-type]
            await house.desk.take_balances()
            answers = []
            for number, (length, count) in enumerate(wishes):
                phones = [f"7916{number:03d}{n:04d}" for n in range(count)]
                answers.append(
                    (length * count, house.accept(make(*phones, text=f"{number:03d}" + "x" * (153 * length - 3))))
                )
                if number % 7 == 0:
                    await asyncio.sleep(0)
            spent = 0
            for size, future in answers:
                answer = await future
                if isinstance(answer, Accepted):
                    assert answer.cost == size * PRICE
                    spent += size
                else:
                    assert answer.reason == Reason.NO_MONEY
            assert spent <= parts + credit_parts
            assert await house.balance() == (parts - spent) * PRICE

    asyncio.run(story())


def test_full_store_refuses_and_gives_the_money_back(tmp_path: Path) -> None:
    """A customer may try again when there is room, and was charged nothing meanwhile."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            house.db.fault = Full("the disk is full")
            assert await house.send(PHONE) == Refusal(Reason.STORE_FULL)
            house.db.fault = overdraft()
            assert await house.send(PHONE) == Refusal(Reason.NO_MONEY)
            house.db.fault = None
            assert isinstance(await house.send(PHONE), Accepted)
            assert await house.balance() == 1000 * SCALE - PRICE
            assert (await ledgers.check(house.db)).messages == 1  # type: ignore[arg-type]

    asyncio.run(story())


def test_life_time_is_the_shorter_of_request_and_account(tmp_path: Path) -> None:
    """valid, and the account's own longest time."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, valid_minutes="30") as house:
            lives = []
            for valid_s in (0, 600, 7200):
                (message,) = await house.accepted(PHONE, text=f"{valid_s}", valid_s=valid_s)
                lives.append((message.expires_ms - message.send_ms) // 1000)
            assert lives == [1800, 600, 1800]

    asyncio.run(story())


def test_later_time_is_kept_and_a_past_one_is_now(tmp_path: Path) -> None:
    """A wish for a later day is kept to the millisecond."""

    async def story(house: House) -> None:
        (message,) = await house.accepted(PHONE, send_ms=NOW + 123_456)
        assert await house.queued(message) == (1, 1, NOW + 123_456, 0, 0)
        (past,) = await house.accepted(OTHER, send_ms=NOW - 5)
        assert past.send_ms == NOW

    async def run() -> None:
        async with open_house("sqlite", tmp_path) as house:
            await story(house)

    asyncio.run(run())
