"""Who counts as one where many share (core/sources.py)."""

import pytest

from heliograph.core.sources import source_of


@pytest.mark.parametrize(
    ("client", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_ipv6_counts_by_network(client: str, source: str) -> None:
    """One customer line has 2**64 addresses; each as a stranger of its own would be a flood that nobody stops."""
    assert source_of(client) == source
