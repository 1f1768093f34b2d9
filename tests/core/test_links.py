"""Codes of short links and links in texts: a permutation, a finder that takes no more than the link, periods of clicks."""

import re
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from heliograph.core.links import (
    LENGTH,
    MAX_URL,
    QUARTER_MS,
    SPACE,
    Codes,
    Trails,
    find,
    find_periods,
    imagine,
    plain,
    replace,
    write_base62,
    write_location,
)
from heliograph.wire.gsm.translit import transliterate

CODES = Codes(b"0" * 32)
BASE = "https://s.example.ru/"
ids = st.integers(0, SPACE - 1)


@given(ids)
@example(0)
@example(SPACE - 1)
def test_a_code_leads_back_to_its_id(id_: int) -> None:
    """The redirect finds the row by its primary key."""
    code = CODES.write(id_)
    assert re.fullmatch(f"[0-9A-Za-z]{{{LENGTH}}}", code)
    assert CODES.read(code) == id_


@given(ids)
def test_a_guessed_code_has_an_id_with_that_very_code(value: int) -> None:
    """It is a permutation of all codes: no two of them mean one id."""
    code = write_base62(value)
    id_ = CODES.read(code)
    assert id_ is not None
    assert CODES.write(id_) == code


def test_codes_of_neighbours_tell_nothing() -> None:
    """Nobody walks from his own link to those of others: places of letters differ as those of random codes do."""
    codes = [CODES.write(id_) for id_ in range(1, 2001)]
    assert len(set(codes)) == 2000
    same = sum(a == b for one, two in pairwise(codes) for a, b in zip(one, two, strict=True))
    assert same < 2000 * LENGTH / 62 * 1.5


@pytest.mark.parametrize("text", ["", "abc", "abcdefgh", "abc-efg", "abcdef ", "абвгдеж", "٣٣٣٣٣٣٣"])
def test_what_is_no_code_has_no_id(text: str) -> None:
    """Anything may stand in an address."""
    assert CODES.read(text) is None


@pytest.mark.parametrize("id_", [-1, SPACE])
def test_ids_end_where_codes_do(id_: int) -> None:
    """A wrapped id would lead to somebody else's address."""
    with pytest.raises(ValueError, match="no code"):
        CODES.write(id_)


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("Скидки: http://shop.ru/a.", ["http://shop.ru/a"]),
        ("(https://shop.ru/a)!", ["https://shop.ru/a"]),
        ("www.shop.ru, WWW.other.ru/x?", ["http://www.shop.ru", "http://WWW.other.ru/x"]),
        ("http://сайт.рф/путь/к?товару=1#там", ["http://сайт.рф/путь/к?товару=1#там"]),
        ("https://ru.wikipedia.org/wiki/A_(b)", ["https://ru.wikipedia.org/wiki/A_(b)"]),
        ("«https://a.ru/» <http://b.ru>", ["https://a.ru/", "http://b.ru"]),
        ("http://a.ru,http://b.ru;www.c.ru", ["http://a.ru", "http://b.ru", "http://www.c.ru"]),
        ("http://go.ru/?to=https://a.ru/", ["http://go.ru/?to=https://a.ru/"]),
        ("Смотриhttp://a.ru\nhttps://b.ru", ["http://a.ru", "https://b.ru"]),
        ("http://127.0.0.1:8080/x?a[]=1", ["http://127.0.0.1:8080/x?a[]=1"]),
        ("http://[::1]:80/", ["http://[::1]:80/"]),
        ("HTTP://A.RU", ["HTTP://A.RU"]),
        ("http://bank.ru@evil.ru/ http://u:p@evil.ru", []),
        ("http://a.ru\\@evil.ru", ["http://a.ru"]),
        ("http:// https://. www. www.site ftp://a.ru mailto:a@www.b.ru a.www.b.ru xhttp://a.ru", []),
        ("http://%61.ru http://-a.ru", []),
        ("http://a.ru/\x00b http://b.ru/\u202ec", ["http://a.ru/", "http://b.ru/"]),
        ("http://a.ru:99999999/", []),
        ("http://a.ru/" + "я" * 1000, []),
    ],
)
def test_links_are_found_without_what_stands_around_them(text: str, urls: list[str]) -> None:
    """A full stop in an address leads to a page that is not there."""
    assert [found.url for found in find(text)] == urls


@given(st.text(st.sampled_from("htpsw:/.@[]()ая0 ,\n?#%-\\") | st.characters(codec="utf-8"), max_size=60))
@example("http://a.ru/)")
def test_found_links_are_where_they_are_said_to_be(text: str) -> None:
    """In any text: in their order, apart, without blanks, controls and credentials; nothing else of it changes."""
    found = find(text)
    position = 0
    rest = []
    for start, end, url in found:
        assert position <= start < end
        assert text[start:end] == url or f"http://{text[start:end]}" == url
        assert re.match("https?://", url, re.IGNORECASE)
        assert not re.search(r"[\s\x00-\x1f\x7f]", url)
        assert "@" not in re.split("[/?#]", url.split("://", 1)[1])[0]
        assert len(url.encode()) <= MAX_URL
        assert plain(url) == plain(text[start:end])
        write_location(url)
        rest.append(text[position:start])
        position = end
    rest.append(text[position:])
    assert replace(text, found, {url: "#" for _, _, url in found}) == "#".join(rest)
    assert replace(text, found, {}) == text


def test_a_short_link_is_not_touched_by_translit() -> None:
    """It is replaced before, so it goes through both modes."""
    text = f"Щит {BASE}{CODES.write(7)} щит"
    for mode in (1, 2):
        assert f"{BASE}{CODES.write(7)}" in transliterate(text, mode)


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("https://www.MyWebsite.ru/", "mywebsite.ru"),
        ("mywebsite.ru", "mywebsite.ru"),
        ("HTTP://A.ru/B/?C=D", "a.ru/B/?C=D"),
        ("http://Сайт.РФ/Путь/", "сайт.рф/Путь"),
        (" www.a.ru ", "a.ru"),
        ("", ""),
    ],
)
def test_the_plain_form_is_what_people_type(url: str, form: str) -> None:
    """They ask for mywebsite.ru and mean the link they sent."""
    assert plain(url) == form


def test_cyrillic_hosts_go_out_in_ascii() -> None:
    """A header holds ASCII; what no domain can be stays and is escaped."""
    assert write_location("http://сайт.рф:81/путь?q") == "http://xn--80aswg.xn--p1ai:81/путь?q"
    assert write_location("http://a.ru/путь") == "http://a.ru/путь"
    assert write_location(f"http://{'я' * 80}.рф/") == f"http://{'я' * 80}.рф/"


def test_codes_of_prices_are_as_long_as_real_ones() -> None:
    """The same for the same address, so that a repeated price query is one."""
    assert re.fullmatch("[0-9A-Za-z]{7}", imagine("http://a.ru"))
    assert imagine("http://a.ru") == imagine("http://a.ru") != imagine("http://b.ru")


def test_trails_replace_known_codes_only() -> None:
    """A code that the customer wrote himself is not his recipient's."""
    one, two, foreign = (CODES.write(id_) for id_ in (1, 2, 3))
    trails = Trails(CODES, BASE, {one: 1, two: 2})
    numbers = iter(range(10, 20))
    text, laid = trails.lay(f"{BASE}{one}, {BASE}{foreign} {BASE}{one} {BASE}{two} {BASE}{one}x", lambda: next(numbers))
    assert laid == [(10, 1), (11, 2)]
    ten, eleven = CODES.write(10), CODES.write(11)
    assert text == f"{BASE}{ten}, {BASE}{foreign} {BASE}{ten} {BASE}{eleven} {BASE}{one}x"


@pytest.mark.parametrize(
    ("now", "zone", "begins"),
    [
        (
            "2026-03-01T00:10+03:00",
            "Europe/Moscow",
            ("2026-03-01T00:00+03:00", "2026-02-28T00:00+03:00", "2026-03-01T00:00+03:00", "2026-02-01T00:00+03:00"),
        ),
        (
            "2026-01-31T20:30+00:00",
            "+5:45",
            ("2026-02-01T00:00+05:45", "2026-01-31T00:00+05:45", "2026-02-01T00:00+05:45", "2026-01-01T00:00+05:45"),
        ),
        (
            "2026-03-08T12:00-04:00",  # the clocks went forward at two in the night
            "America/New_York",
            ("2026-03-08T00:00-05:00", "2026-03-07T00:00-05:00", "2026-03-01T00:00-05:00", "2026-02-01T00:00-05:00"),
        ),
    ],
)
def test_periods_begin_with_the_days_of_the_accounts_zone(now: str, zone: str, begins: tuple[str, ...]) -> None:
    """Quarters of an hour are exact for all zones."""
    found = find_periods(int(datetime.fromisoformat(now).timestamp() * 1000), zone)
    moments = tuple(datetime.fromtimestamp(quarter * QUARTER_MS / 1000, UTC) for quarter in found)
    assert moments == tuple(datetime.fromisoformat(begin) for begin in begins)
