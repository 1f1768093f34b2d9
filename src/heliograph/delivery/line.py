"""One carrier's place in the dispatcher: what waits for it, lane by lane, and what is under way there (design section 6, flow B)."""

from heliograph.core.messages import Message
from heliograph.core.status import Status
from heliograph.delivery.carriers.contract import CarrierLinks
from heliograph.delivery.lanes import Lane

LANES = (1, 2, 3)
PAGE = 2_000  # rows read at once: some 15 ms of a reader
FAR_MS = 2**62


class Line:
    """One carrier's waiting texts and what is under way there."""

    def __init__(self, links: CarrierLinks) -> None:
        self.links = links
        self.lanes = {lane: Lane() for lane in LANES}
        # Whether the table may hold due rows that memory does not, and when the next later one is due.
        self.more = dict.fromkeys(LANES, True)
        self.next_due = dict.fromkeys(LANES, FAR_MS)
        # Lanes of which a page is being read, with the texts that left memory meanwhile: the page may show them as
        # they were.
        self.reading: dict[int, set[int]] = {}
        self.held = dict.fromkeys(LANES, 0)
        # Where the look at texts that wait without a link goes on.
        self.sifted = dict.fromkeys(LANES, 0)
        self.claimed = 0
        self.claimed_parts = 0
        self.closing = False


def is_waiting(message: Message, carrier_id: int) -> bool:
    """Whether it still is what the table said: it may have moved on while the page was read."""
    return message.status == Status.WAITING and not message.started_ms and message.carrier_id == carrier_id
