"""Handler addresses as customers type them."""

import pytest

from heliograph.callbacks.targets import BadTarget, parse_target


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "header"),
    [
        ("http://Example.COM", "example.com", 80, b"/", b"example.com"),
        ("HTTPS://example.com./a?b=c#part", "example.com", 443, b"/a?b=c", b"example.com"),
        (" http://h:8080?x ", "h", 8080, b"/?x", b"h:8080"),
        ("http://h:/", "h", 80, b"/", b"h"),
        ("https://h:443/", "h", 443, b"/", b"h"),
        ("http://h:443/", "h", 443, b"/", b"h:443"),
        ("http://[2001:DB8::0:1]:81/", "2001:db8::1", 81, b"/", b"[2001:db8::1]:81"),
        ("http://пример.рф/путь?т=да нет", "xn--e1afmkfd.xn--p1ai", 80, "", b"xn--e1afmkfd.xn--p1ai"),
        ("http://h/!p1&p2?p3&a[]=%20%D0%BF", "h", 80, b"/!p1&p2?p3&a[]=%20%D0%BF", b"h"),
        ('http://h/"<>\\', "h", 80, b"/%22%3C%3E%5C", b"h"),
        ("http://under_score.example/", "under_score.example", 80, b"/", b"under_score.example"),
        ("http://10.0.0.1/", "10.0.0.1", 80, b"/", b"10.0.0.1"),
    ],
)
def test_address_is_taken_apart(url: str, host: str, port: int, path: bytes, header: bytes) -> None:
    """What is sent must be what the customer's server understands."""
    target = parse_target(url)
    path = path or b"/%D0%BF%D1%83%D1%82%D1%8C?%D1%82=%D0%B4%D0%B0%20%D0%BD%D0%B5%D1%82"
    assert (target.host, target.port, target.path, target.host_header) == (host, port, path, header)
    assert target.origin == (target.scheme, host, port)
    assert target.prefix.startswith(b"POST " + path + b" HTTP/1.1\r\nHost: " + header + b"\r\n")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "must begin with http"),
        ("example.com/a", "must begin with http"),
        ("ftp://example.com/", "must begin with http"),
        ("javascript:alert(1)", "must begin with http"),
        ("http://\ud800:word@example.com/", "half a character"),
        ("http:///path", "no host"),
        ("http://:80/", "no host"),
        ("http://h:0/", "port 0"),
        ("http://h:65536/", "not valid"),
        ("http://h:-1/", "not valid"),
        ("http://h:+80/", "not valid"),
        ("http://[::1/", "not valid"),
        ("http://[::g]/", "not valid"),
        ("http://[fe80::1%25eth0]/", "zone"),
        ("http://a..b/", "name is not valid"),
        ("http://.a/", "name is not valid"),
        ("http://a b/", "name is not valid"),
        ("http://a%2eb/", "name is not valid"),
        ("http://" + "a" * 64 + ".example/", "name is not valid"),
        ("http://h/\r\nX: y", "control characters"),
        ("http://h\t/", "control characters"),
        ("http://h/\ud800", "half a character"),
    ],
)
def test_wrong_address_is_refused_with_its_reason(url: str, reason: str) -> None:
    """The customer sees the reason when he saves his settings."""
    with pytest.raises(BadTarget, match=reason):
        parse_target(url)


def test_secret_of_an_address_does_not_leak() -> None:
    """The query holds the secret word of the check sum, and errors and records reach logs."""
    assert "topsecret" not in repr(parse_target("http://h/?md5=topsecret"))
    assert "topsecret" not in repr(parse_target("http://topsecret@h/"))
    with pytest.raises(BadTarget) as refused:
        parse_target("http://topsecret@/?md5=topsecret")
    assert "topsecret" not in str(refused.value)


def test_address_is_parsed_once() -> None:
    """A busy handler's address comes with every message."""
    assert parse_target("http://once.example/") is parse_target("http://once.example/")


@pytest.mark.parametrize(
    ("user", "credentials"),
    [
        ("user:word", b"dXNlcjp3b3Jk"),
        ("user", b"dXNlcjo="),
        ("a%40b:c%3Ad:e", b"YUBiOmM6ZDpl"),
        ("я:", b"0Y86"),
        ("", b"Og=="),
    ],
)
def test_name_and_password_sign_in(user: str, credentials: bytes) -> None:
    """Handlers behind Basic authentication; neither shows in the host, in what shares connections, or when printed."""
    target = parse_target(f"https://{user}@Example.com:8443/a?b")
    assert b"\r\nAuthorization: Basic " + credentials + b"\r\nContent-Type: " in target.prefix
    assert target.host_header == b"example.com:8443" and target.origin == ("https", "example.com", 8443)
    assert credentials.decode() not in repr(target) and "Authorization" not in repr(target)
