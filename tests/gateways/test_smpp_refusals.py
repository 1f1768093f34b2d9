"""The SMPP door's dictionary of refusals (spec protocols 5.6)."""

from heliograph.core.reasons import Reason
from heliograph.core.status import REFUSALS, Status
from heliograph.gateways.smpp_receipts import STATES, state_of
from heliograph.gateways.smpp_refusals import STATUSES, status_of_verdict
from heliograph.wire.smpp import statuses


def test_every_reason_has_its_command_status() -> None:
    """The dictionary of this door is complete, and no refusal looks like success."""
    assert STATUSES.keys() == set(Reason)
    assert statuses.ESME_ROK not in STATUSES.values()


def test_copies_and_floods_are_not_throttled() -> None:
    """A gateway brings what was throttled again, for ever."""
    for reason in (Reason.REPEATED_REQUEST, Reason.DUPLICATE, Reason.FLOOD):
        assert STATUSES[reason] == statuses.ESME_RSUBMITFAIL


def test_stored_refusals_have_the_status_of_their_reason() -> None:
    """One address of a submit_multi is refused as a submit_sm to it would be, where the stored status tells."""
    for reason, (status, err) in REFUSALS.items():
        assert status_of_verdict(status, err) in {
            STATUSES[other] for other, place in REFUSALS.items() if place == (status, err)
        }, reason


def test_every_status_has_a_message_state() -> None:
    """A receipt says the state by the table of the reference, an unknown one as UNKNOWN."""
    assert STATES.keys() == set(Status) - {Status.NOT_FOUND}
    assert state_of(77) == 7
