"""The address before the codes of short links: what the configuration takes, and what the demo chooses by itself."""

from pathlib import Path

import pytest

from heliograph import demo
from heliograph.config import ConfigError, load


def write(folder: Path, base: str) -> Path:
    """A configuration file with this address."""
    path = folder / "heliograph.toml"
    path.write_text(f'[links]\nbase = "{base}"\n', "utf-8")
    return path


@pytest.mark.parametrize(
    "base",
    [
        "",
        "https://s.example.ru/",
        "http://127.0.0.1:8080/r/",
        "https://sms.example.ru/r/",
        "https://sms.example.ru/texts/r/",
        "http://[::1]:8080/r/",
        "https://xn--80aswg.xn--p1ai/",
    ],
)
def test_addresses_that_a_code_may_follow_are_taken(base: str, tmp_path: Path) -> None:
    """A domain alone, or a path that the redirect answers on every host."""
    assert load(write(tmp_path, base), {}).links.base == base


@pytest.mark.parametrize(
    "base",
    [
        "s.example.ru/",
        "https://s.example.ru",
        "https://s.example.ru/go/",
        "https://сайт.рф/",
        "https://s.example.ru/?c=",
        "ftp://s.example.ru/",
        "https://a b.ru/",
        "https://u:p@s.example.ru/",
    ],
)
def test_other_addresses_stop_the_start(base: str, tmp_path: Path) -> None:
    """Links that lead nowhere would be found out by customers' customers."""
    with pytest.raises(ConfigError, match=r"links\.base.*https://s\.example\.ru/"):
        load(write(tmp_path, base), {})


@pytest.mark.parametrize(
    ("host", "named"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("::1", "[::1]")]
)
def test_the_demo_names_an_address_that_a_browser_here_reaches(host: str, named: str) -> None:
    """Nobody can follow a link to 0.0.0.0."""
    assert demo.reach(host) == named
