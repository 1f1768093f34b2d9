"""Receipts without a message, by the carrier's id and by number, until theirs is found (design section 6, flow C)."""

from heliograph.core.deliveries import Receipt, Talk
from heliograph.core.references import spell

EARLY_KEPT = 100_000  # receipts without a message kept in memory for joining; all are in the store as well


class Orphan:
    """A receipt that waits for its message."""

    __slots__ = (
        "at_ms",
        "carrier_id",
        "detail",
        "err",
        "hlr",
        "id",
        "phone",
        "received_ms",
        "ref",
        "status",
        "syserr",
        "talk",
    )

    def __init__(
        self,
        id: int,
        carrier_id: int,
        ref: str,
        phone: str,
        received_ms: int,
        status: int,
        err: int,
        detail: str,
        at_ms: int = 0,
        hlr: dict[str, str] | None = None,
        talk: Talk | None = None,
        syserr: int = 0,
    ) -> None:
        self.id = id
        self.carrier_id = carrier_id
        self.ref = ref
        self.phone = phone
        self.received_ms = received_ms
        self.status = status
        self.err = err
        self.detail = detail
        self.at_ms = at_ms
        self.hlr = hlr
        self.talk = talk
        self.syserr = syserr

    @property
    def receipt(self) -> Receipt:
        """What the carrier told."""
        told = (self.ref, self.phone, self.status, self.err, self.at_ms, self.detail)
        return Receipt(*told, self.hlr, self.talk, self.syserr)


class Orphans:
    """Those in memory; the oldest leaves when there are too many."""

    def __init__(self) -> None:
        self._all: dict[int, Orphan] = {}
        self._by_ref: dict[tuple[int, str], list[Orphan]] = {}
        self._by_phone: dict[tuple[int, str], list[Orphan]] = {}

    def by_ref(self, carrier_id: int, ref: str) -> list[Orphan]:
        """Those whose id has this spelling, oldest first."""
        return list(self._by_ref.get((carrier_id, ref), ()))

    def by_phone(self, carrier_id: int, phone: str) -> list[Orphan]:
        """Those that tell this number, oldest first."""
        return list(self._by_phone.get((carrier_id, phone), ()))

    def add(self, orphan: Orphan) -> None:
        """Keep one."""
        self._all[orphan.id] = orphan
        for spelling in spell(orphan.ref):
            self._by_ref.setdefault((orphan.carrier_id, spelling), []).append(orphan)
        self._by_phone.setdefault((orphan.carrier_id, orphan.phone), []).append(orphan)
        if len(self._all) > EARLY_KEPT:
            self.remove(next(iter(self._all.values())))

    def remove(self, orphan: Orphan) -> None:
        """Forget one; nothing happens when it is not known."""
        if self._all.pop(orphan.id, None) is None:
            return
        same = self._by_phone[orphan.carrier_id, orphan.phone]
        same.remove(orphan)
        if not same:
            del self._by_phone[orphan.carrier_id, orphan.phone]
        for spelling in spell(orphan.ref):
            spelled = self._by_ref[orphan.carrier_id, spelling]
            spelled.remove(orphan)
            if not spelled:
                del self._by_ref[orphan.carrier_id, spelling]
