"""How a handler's address is read (callbacks/plans.py; seed 001; spec management 5.1 and 5.2)."""

import pytest

from heliograph.callbacks.plans import FORM, JSON, XML, digest, parse_plan
from heliograph.callbacks.targets import BadTarget

SECRET = "s3cret-Key_1"
PRIVET = f"79991234567:Привет:79037654321:{SECRET}"


def test_worked_example_of_the_reference() -> None:
    """Before ``!`` the path, up to ``?`` the query, behind it what is told back."""
    plan = parse_plan("https://shop.example/cb!tok=9&v=2?charset=utf-8&fmt=3&md5=s3cret-Key_1&src=smsc")
    assert plan.target.path == b"/cb?tok=9&v=2" and plan.target.host == "shop.example"
    assert (plan.fmt, plan.charset, plan.content_type) == (JSON, "utf-8", b"application/json; charset=utf-8")
    assert [(echo.name, echo.value) for echo in plan.echoes] == [
        ("charset", "utf-8"),
        ("fmt", "3"),
        ("md5", SECRET),
        ("src", "smsc"),
    ]
    assert SECRET not in plan.target.path.decode()


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://mysite.ru/!param1&param2?param3&param4", b"/?param1&param2"),
        ("http://x/a?b=c", b"/a"),
        ("http://x?b=c", b"/"),
        ("http://x", b"/"),
        ("http://x/a!", b"/a?"),
        ("http://x/a!b!c?d", b"/a?b!c"),
        ("http://x/a?b!c", b"/a"),
        ("http://x/a!b#c?d", b"/a?b"),
        ("http://x/a b!q=я?d", b"/a%20b?q=%D1%8F"),
    ],
)
def test_request_line_holds_only_what_stands_before_the_question_mark(url: str, path: bytes) -> None:
    """Whoever wants parameters in the query puts them behind ``!``; secrets behind ``?`` must never be in it."""
    assert parse_plan(url).target.path.removesuffix(b"?") == path.removesuffix(b"?")


@pytest.mark.parametrize(
    ("query", "fmt", "charset"),
    [
        ("", FORM, "windows-1251"),
        ("charset=UTF-8", FORM, "utf-8"),
        ("charset=koi8-r", FORM, "koi8-r"),
        ("charset=windows-1251", FORM, "windows-1251"),
        ("charset=latin1", FORM, "windows-1251"),
        ("fmt=2", XML, "windows-1251"),
        ("fmt=3&charset=utf-8", JSON, "utf-8"),
        ("fmt=2&charset=koi8-r", XML, "utf-8"),
        ("fmt=3&charset=koi8-r", JSON, "utf-8"),
        ("fmt=1", FORM, "windows-1251"),
    ],
)
def test_format_and_charset(query: str, fmt: int, charset: str) -> None:
    """windows-1251 unless asked otherwise; koi8-r does not go with XML and JSON."""
    plan = parse_plan(f"http://x/?{query}")
    assert (plan.fmt, plan.charset) == (fmt, charset)


def test_parameters_are_decoded_and_names_of_fields_are_left_out() -> None:
    """A status must not become an incoming text because somebody wrote ``mes`` into his address."""
    plan = parse_plan("http://x/?a=%D0%B6+b&c=%E6&mes=1&waitcall=1&id=5&flag&a=2&=9&1z[]=%26")
    assert [(echo.name, echo.value, echo.element) for echo in plan.echoes] == [
        ("a", "2", "a"),
        ("c", "ж", "c"),
        ("1z[]", "&", "_1z__"),
    ]


def test_bad_addresses_are_refused_without_repeating_them() -> None:
    """The address may hold a secret, and the reason is written into the story of the message."""
    for url in ("ftp://x/?md5=hidden", "http:///a?md5=hidden", "http://u:p@/?md5=hidden", "http://x!a/?md5=hidden"):
        with pytest.raises(BadTarget) as error:
            parse_plan(url)
        assert "hidden" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "charset", "md5", "sha1", "crc32"),
    [
        (
            f"1042:79991234567:1:{SECRET}",
            "windows-1251",
            "a48c9a245b6d460579f17f77efabdcf1",
            "6e9854676f172d840629b272121ef6f5a82fd089",
            "384583360",
        ),
        (
            f"79991234567:Hello:79037654321:{SECRET}",
            "windows-1251",
            "ff23a8c2477014a4a186584aba11f0eb",
            "88ac3bbdeb9d18805f1bbb4e0a771e5dcf15396e",
            "1544670558",
        ),
        (
            PRIVET,
            "utf-8",
            "3c3698cb3c7fd2c34d74afbccef3ccc0",
            "a29680770bcc9bf34a8d8a0eeaa223e6f68907a6",
            "3622799858",
        ),
        (
            PRIVET,
            "windows-1251",
            "856eb65e780c532894b2658f90c95d54",
            "90099e55fb535c7c48d054bc5a8637161965c8ec",
            "3485483923",
        ),
        (
            f"79991234567:1700000000:{SECRET}",
            "windows-1251",
            "463e3826501c7159fed0102ef1fef758",
            "d12293b088ccea6fcc6c14c823b30ffd7d73ebe7",
            "1033515571",
        ),
    ],
)
def test_hashes_as_worked_out(text: str, charset: str, md5: str, sha1: str, crc32: str) -> None:
    """Receivers compare them as texts."""
    octets = text.encode(charset)
    assert [digest(name, octets) for name in ("md5", "sha1", "crc32")] == [md5, sha1, crc32]
