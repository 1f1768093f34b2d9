"""The circuit of a host: limited after failures in a row, probed, freed by one answer."""

from heliograph.callbacks.hosts import Hosts


def fail(hosts: Hosts, times: int, now_ms: int) -> None:
    for _ in range(times):
        hosts.sent("h", now_ms)
    for _ in range(times):
        hosts.ended("h", False, now_ms)


def test_host_without_history_is_free() -> None:
    """Nobody waits for a circuit that was never opened."""
    hosts = Hosts()
    for _ in range(100):
        assert hosts.may_send("h", 0)
        hosts.sent("h", 0)
    assert (hosts.wait_ms("h", 0), hosts.is_limited("h")) == (0, False)


def test_host_that_hangs_gets_two_probes_until_one_succeeds() -> None:
    """A dead handler must not hold the room that the living ones need."""
    hosts = Hosts(failures=5, probes=2, pause_ms=1_000)
    fail(hosts, 4, 0)
    assert not hosts.is_limited("h")
    fail(hosts, 1, 0)
    assert hosts.is_limited("h")
    assert (hosts.may_send("h", 999), hosts.wait_ms("h", 400)) == (False, 600)
    for _ in range(2):
        assert hosts.may_send("h", 1_000)
        hosts.sent("h", 1_000)
    assert not hosts.may_send("h", 1_000)
    hosts.ended("h", True, 1_100)
    assert not hosts.is_limited("h")
    assert hosts.may_send("h", 1_100)


def test_success_between_failures_starts_the_count_anew() -> None:
    """Only failures in a row mean that nobody is there."""
    hosts = Hosts(failures=2)
    fail(hosts, 1, 0)
    hosts.sent("h", 1)
    hosts.ended("h", True, 1)
    fail(hosts, 1, 2)
    assert not hosts.is_limited("h")


def test_pause_doubles_up_to_its_limit() -> None:
    """A host that is down for hours costs a probe a minute."""
    hosts = Hosts(failures=1, pause_ms=1_000, pause_most_ms=5_000)
    now = 0
    pauses = []
    for _ in range(5):
        fail(hosts, 1, now)
        pauses.append(hosts.wait_ms("h", now))
        now += pauses[-1]
    assert pauses == [1_000, 2_000, 4_000, 5_000, 5_000]


def test_requests_that_fail_together_cause_one_pause() -> None:
    """32 time-outs of one moment are one event, not 32 doublings."""
    hosts = Hosts(failures=5, pause_ms=1_000)
    fail(hosts, 32, 0)
    assert hosts.wait_ms("h", 0) == 1_000


def test_hosts_do_not_share_a_circuit() -> None:
    """One customer's host is not another's."""
    hosts = Hosts(failures=1)
    fail(hosts, 1, 0)
    assert (hosts.may_send("h", 0), hosts.may_send("other", 0)) == (False, True)


def test_old_failures_are_forgotten() -> None:
    """Hosts that nobody calls any more must not fill memory; one under way is kept."""
    hosts = Hosts(failures=1, kept_ms=1_000)
    fail(hosts, 1, 0)
    hosts.sent("busy", 0)
    assert (hosts.expire(999), hosts.expire(1_000)) == (0, 1)
    assert not hosts.is_limited("h")
    hosts.ended("busy", True, 2_000)


def test_what_was_not_sent_says_nothing_about_the_host() -> None:
    """A request that was withdrawn must neither end the pause of an ill host nor stay counted as under way."""
    hosts = Hosts(failures=2, probes=1, pause_ms=100)
    for _ in range(2):
        hosts.sent("a", 0)
        hosts.ended("a", False, 0)
    hosts.sent("a", 100)
    hosts.withdrawn("a")
    assert hosts.is_limited("a") and hosts.may_send("a", 100)
    hosts.sent("b", 0)
    hosts.withdrawn("b")
    assert hosts.expire(10**9) == 1, "only the ill one was remembered"
