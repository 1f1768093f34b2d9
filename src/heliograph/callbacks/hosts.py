"""How customers' hosts have behaved lately, so that one that hangs is only probed (design section 6 D; the circuit breaker)."""

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(slots=True)
class _Host:
    in_flight: int = 0
    failures: int = 0
    pause_ms: int = 0
    resume_ms: int = 0
    changed_ms: int = 0


class Hosts:
    """Counts by host. After `failures` requests in a row without any answer a host is *limited*: at most `probes` in flight,
    and after each failed round a pause that doubles from `pause_ms` to `pause_most_ms`. One answer ends it.

    A host is any hashable name of one, best a target's `origin`. Times are milliseconds of any clock that does not go back.
    """

    def __init__(
        self,
        failures: int = 5,
        probes: int = 2,
        pause_ms: int = 1_000,
        pause_most_ms: int = 60_000,
        kept_ms: int = 3_600_000,
    ) -> None:
        self._failures = failures
        self._probes = probes
        self._pause_ms = pause_ms
        self._pause_most_ms = pause_most_ms
        self._kept_ms = kept_ms
        self._hosts: dict[Hashable, _Host] = {}

    def may_send(self, host: Hashable, now_ms: int) -> bool:
        """Whether one more request may go to this host now."""
        state = self._hosts.get(host)
        if state is None or state.failures < self._failures:
            return True
        return state.in_flight < self._probes and now_ms >= state.resume_ms

    def wait_ms(self, host: Hashable, now_ms: int) -> int:
        """Milliseconds until the pause of a limited host ends; 0 when there is none."""
        state = self._hosts.get(host)
        return 0 if state is None else max(0, state.resume_ms - now_ms)

    def is_limited(self, host: Hashable) -> bool:
        """Whether the host is only being probed."""
        state = self._hosts.get(host)
        return state is not None and state.failures >= self._failures

    def sent(self, host: Hashable, now_ms: int) -> None:
        """A request has been handed over; `ended` or `withdrawn` must follow."""
        state = self._hosts.get(host)
        if state is None:
            state = self._hosts[host] = _Host()
        state.in_flight += 1
        state.changed_ms = now_ms

    def ended(self, host: Hashable, answered: bool, now_ms: int) -> None:
        """A request has ended: with an answer of whatever status, or with none (time-out, refused, no address)."""
        state = self._hosts[host]
        state.in_flight -= 1
        state.changed_ms = now_ms
        if answered:
            state.failures = state.pause_ms = state.resume_ms = 0
            if not state.in_flight:
                del self._hosts[host]  # a healthy host costs no memory
            return
        state.failures += 1
        # Those that were under way together fail together: they are one round and cause one pause.
        if state.failures >= self._failures and now_ms >= state.resume_ms:
            state.pause_ms = min(state.pause_ms * 2 or self._pause_ms, self._pause_most_ms)
            state.resume_ms = now_ms + state.pause_ms

    def withdrawn(self, host: Hashable) -> None:
        """What `sent` announced was not sent after all: it says nothing about the host."""
        state = self._hosts[host]
        state.in_flight -= 1
        if not state.in_flight and not state.failures:
            del self._hosts[host]

    def expire(self, now_ms: int) -> int:
        """Forgets hosts that nothing was sent to for `kept_ms`; returns how many. Call it every few minutes."""
        old = [
            host
            for host, state in self._hosts.items()
            if not state.in_flight and now_ms - state.changed_ms >= self._kept_ms
        ]
        for host in old:
            del self._hosts[host]
        return len(old)
