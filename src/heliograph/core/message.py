"""One text to one recipient, as it lives in memory while it moves (design section 5)."""


class Message:
    """One text to one recipient, as stored and as it lives in memory while it moves.

    ``text`` is what was sent after translit and cutting (hex for binary kinds); ``tried`` are the carriers
    that had it; ``part_states`` are (status, err) of each part of the current try. Not frozen: it is the
    one thing that moves, and only the services move it.
    """

    __slots__ = (
        "account_id",
        "carrier_id",
        "changed_ms",
        "comment",
        "cost",
        "created_ms",
        "door",
        "err",
        "expires_ms",
        "extra",
        "fingerprint",
        "flags",
        "given",
        "id",
        "int_id",
        "kind",
        "lane",
        "mccmnc",
        "part_states",
        "parts",
        "pending",
        "phone",
        "refs",
        "refunded",
        "route_id",
        "send_ms",
        "sender",
        "started_ms",
        "status",
        "text",
        "tried",
        "tries",
    )

    def __init__(
        self,
        int_id: int,
        account_id: int,
        id: str,
        phone: str,
        given: str,
        kind: int,
        flags: int,
        sender: str,
        text: str,
        comment: str,
        parts: int,
        cost: int,
        mccmnc: str,
        status: int,
        err: int,
        send_ms: int,
        created_ms: int,
        changed_ms: int,
        expires_ms: int,
        lane: int,
        route_id: int,
        carrier_id: int,
        door: int,
        fingerprint: int = 0,
        refunded: int = 0,
        extra: str = "",
        tries: int = 0,
        tried: tuple[int, ...] = (),
        part_states: list[tuple[int, int]] | None = None,
        refs: dict[int, str] | None = None,
        pending: int = 0,
        started_ms: int = 0,
    ) -> None:
        self.int_id = int_id
        self.account_id = account_id
        self.id = id
        self.phone = phone
        self.given = given
        self.kind = kind
        self.flags = flags
        self.sender = sender
        self.text = text
        self.comment = comment
        self.parts = parts
        self.cost = cost
        self.mccmnc = mccmnc
        self.status = status
        self.err = err
        self.send_ms = send_ms
        self.created_ms = created_ms
        self.changed_ms = changed_ms
        self.expires_ms = expires_ms
        self.lane = lane
        self.route_id = route_id
        self.carrier_id = carrier_id
        self.door = door
        self.fingerprint = fingerprint
        self.refunded = refunded
        self.extra = extra
        self.tries = tries
        self.tried = tried
        self.part_states: list[tuple[int, int]] = [] if part_states is None else part_states
        self.refs: dict[int, str] = {} if refs is None else refs
        self.pending = pending
        self.started_ms = started_ms
