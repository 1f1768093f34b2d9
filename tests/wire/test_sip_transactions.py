"""SIP's transactions by table and by clock (RFC 3261, section 17)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.wire.sip.transactions import CLIENT, INVITE_SERVER, SERVER, Do, Event, State, Table, Timing, Transaction

TIMING = Timing()
B, R, P, F, A = Event.BEGIN, Event.REQUEST, Event.PROVISIONAL, Event.FINAL, Event.ACK
NOTHING, SEND, RESEND, DELIVER, FAIL = Do


@pytest.mark.parametrize(
    ("table", "reliable", "events", "done", "state"),
    [
        (INVITE_SERVER, False, [P, R, F, R, A, A, R, F], [SEND, RESEND, SEND, RESEND, NOTHING, NOTHING, NOTHING, NOTHING], State.CONFIRMED),
        (INVITE_SERVER, True, [P, F, A], [SEND, SEND, NOTHING], State.TERMINATED),
        (INVITE_SERVER, False, [A, R, F, P], [NOTHING, RESEND, SEND, NOTHING], State.COMPLETED),
        (SERVER, False, [R, F, R, F, P], [NOTHING, SEND, RESEND, NOTHING, NOTHING], State.COMPLETED),
        (SERVER, False, [P, R, P, F], [SEND, RESEND, SEND, SEND], State.COMPLETED),
        (SERVER, True, [F, R], [SEND, NOTHING], State.TERMINATED),
        (CLIENT, False, [B, P, P, F, F, P], [SEND, NOTHING, NOTHING, DELIVER, NOTHING, NOTHING], State.COMPLETED),
        (CLIENT, False, [B, F], [SEND, DELIVER], State.COMPLETED),
        (CLIENT, True, [B, F, F], [SEND, DELIVER, NOTHING], State.TERMINATED),
    ],
)  # fmt: skip
def test_events_do_what_the_figures_say(
    table: Table, reliable: bool, events: list[Event], done: list[Do], state: State
) -> None:
    """Figures 6, 7 and 8, row by row."""
    transaction = Transaction(table, TIMING, reliable=reliable)
    assert [transaction.feed(event, 0) for event in events] == done
    assert transaction.state is state


def run(transaction: Transaction) -> list[tuple[int, Do]]:
    """What its timers ask for, and when, until it ends."""
    happened = []
    while (due := transaction.due_ms) is not None:
        assert transaction.expire(due - 1) is NOTHING
        happened.append((due, transaction.expire(due)))
    return happened


# 500 ms doubled up to 4 s, until 32 s are over.
REPEATS = [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]


@pytest.mark.parametrize(
    ("table", "reliable", "events", "happened"),
    [
        (INVITE_SERVER, False, [F], [(ms, RESEND) for ms in REPEATS] + [(32000, FAIL)]),  # G and H
        (INVITE_SERVER, True, [F], [(32000, FAIL)]),  # H alone
        (INVITE_SERVER, False, [F, A], [(5000, NOTHING)]),  # I
        (INVITE_SERVER, True, [F, A], []),
        (INVITE_SERVER, False, [P], []),  # the owner decides when
        (SERVER, False, [F], [(32000, NOTHING)]),  # J
        (SERVER, True, [F], []),
        (CLIENT, False, [B], [(ms, RESEND) for ms in REPEATS] + [(32000, FAIL)]),  # E and F
        (CLIENT, True, [B], [(32000, FAIL)]),
        (CLIENT, False, [B, P], [(500, RESEND), *((ms, RESEND) for ms in range(4500, 32000, 4000)), (32000, FAIL)]),
        (CLIENT, False, [B, F], [(5000, NOTHING)]),  # K
        (CLIENT, True, [B, F], []),
    ],
)
def test_timers_are_those_of_table_4(
    table: Table, reliable: bool, events: list[Event], happened: list[tuple[int, Do]]
) -> None:
    """Their times over UDP, and the zeros over TCP."""
    transaction = Transaction(table, TIMING, reliable=reliable)
    for event in events:
        transaction.feed(event, 0)
    assert run(transaction) == happened


@given(
    st.sampled_from((INVITE_SERVER, SERVER, CLIENT)), st.booleans(), st.lists(st.sampled_from(list(Event)), max_size=12)
)
def test_every_transaction_that_was_answered_ends(table: Table, reliable: bool, events: list[Event]) -> None:
    """Whatever happens in whatever order, none stays in memory once its answer is given."""
    transaction = Transaction(table, TIMING, reliable=reliable)
    for now, event in enumerate(events):
        transaction.feed(event, now)
    transaction.feed(B, 50)
    transaction.feed(F, 50)
    run(transaction)
    assert transaction.state is State.TERMINATED
    assert all(transaction.feed(event, 99_999) is NOTHING for event in Event)
