"""Calls that have come and what was said of them, so that a call is told once however often it is sent (RFC 3261, section 8.2.2.2)."""

from heliograph.wire.sip.messages import Request

Name = tuple[str, str]


class Memory:
    """One call: the highest CSeq of its INVITEs, and its answer once there is one."""

    __slots__ = ("cseq", "ends_ms", "given_up", "name", "status")

    def __init__(self, name: Name, cseq: int, ends_ms: int) -> None:
        self.name = name
        self.cseq = cseq
        self.ends_ms = ends_ms
        self.status: int | None = None
        self.given_up = False


class Calls:
    """Calls by Call-ID and tag of From, which stay the same whatever way a call takes, each for `patience_ms` from its beginning, `limit` at most."""

    def __init__(self, limit: int, patience_ms: int) -> None:
        self._limit = limit
        self._patience_ms = patience_ms
        self._known: dict[Name, Memory] = {}  # oldest first, for all are kept for the same time

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._known)

    def find(self, request: Request, now_ms: int) -> Memory | None:
        """The call that an INVITE belongs to, None when it begins one."""
        memory = self._known.get(_name(request))
        return memory if memory is not None and memory.ends_ms > now_ms else None

    def add(self, request: Request, now_ms: int) -> Memory:
        """A new call."""
        known = self._known
        while known:
            oldest = next(iter(known.values()))
            if len(known) < self._limit and oldest.ends_ms > now_ms:
                break
            del known[oldest.name]
        name = _name(request)
        known.pop(name, None)
        memory = known[name] = Memory(name, request.cseq.number, now_ms + self._patience_ms)
        return memory

    def forget(self, memory: Memory) -> None:
        """The next INVITE of this call begins it anew."""
        if self._known.get(memory.name) is memory:
            del self._known[memory.name]


def _name(request: Request) -> Name:
    return (request.call_id, request.from_.tag)
