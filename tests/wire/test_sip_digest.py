"""Digest authentication against the standards' own examples, and against an independent computation (RFC 2617, RFC 7616)."""

import hashlib

import pytest

from heliograph.wire.sip.digest import (
    WINDOW,
    Guard,
    Replays,
    Verdict,
    choose_challenge,
    compute,
    make_nonce,
    read_nonce,
    read_parameters,
    write_answer,
)

KEY = b"k" * 32


def independent(name: str, user: str, realm: str, password: str, method: str, said: dict[str, str]) -> str:
    """The response as RFC 7616, section 3.4.1 spells it out, written once more and by other means."""

    def h(*parts: str) -> str:
        return hashlib.new(name, ":".join(parts).encode()).hexdigest()

    return h(h(user, realm, password), said["nonce"], said["nc"], said["cnonce"], "auth", h(method, said["uri"]))


def guard(*algorithms: str) -> Guard:
    return Guard(KEY, "trunk", {"pbx": "secret", "пбх": "пароль"}, algorithms or ("MD5",), 1000)


def answer(value: str, nc: int = 1, user: str = "pbx", password: str = "secret") -> str:
    challenge = choose_challenge([value])
    assert challenge is not None
    return write_answer(challenge, user, password, "INVITE", "sip:a@b", nc=nc, cnonce="c")


def test_example_of_rfc_2617() -> None:
    """Section 3.5."""
    found = compute(
        "MD5", "Mufasa", "testrealm@host.com", "Circle Of Life", "GET", "/dir/index.html",
        "dcd98b7102dd2f0e8b11d0f600bfb0c093", qop="auth", nc="00000001", cnonce="0a4f113b",
    )  # fmt: skip
    assert found == "6629fae49393a05397450978507c4ef1"


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_examples_of_rfc_7616(algorithm: str, response: str) -> None:
    """Section 3.9.1."""
    found = compute(
        algorithm, "Mufasa", "http-auth@example.org", "Circle of Life", "GET", "/dir/index.html",
        "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        qop="auth", nc="00000001", cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )  # fmt: skip
    assert found == response


@pytest.mark.parametrize(("algorithm", "name"), [("MD5", "md5"), ("SHA-256", "sha256")])
def test_both_sides_agree_with_an_independent_computation(algorithm: str, name: str) -> None:
    """Our client logs in at our server, and a third party computes the same."""
    (challenge,) = guard(algorithm).challenge(5)
    sent = answer(challenge)
    said = read_parameters(sent) or {}
    assert said["response"] == independent(name, "pbx", "trunk", "secret", "INVITE", said)
    assert guard(algorithm).judge("INVITE", [sent], 6) == (Verdict.GOOD, "pbx")


def test_what_is_wrong_is_refused() -> None:
    """Method, password, user, realm, nonce, algorithm, count: each counts."""
    server = guard()
    (challenge,) = server.challenge(5)
    good = answer(challenge)
    assert server.judge("OPTIONS", [good], 5)[0] is Verdict.WRONG
    for bad in (
        answer(challenge, password="other"),
        answer(challenge, user="nobody", password=""),
        good.replace('realm="trunk"', 'realm="else"'),
        good.replace('nonce="0', 'nonce="1'),
        good.replace("algorithm=MD5", "algorithm=SHA-256"),
        good.replace("algorithm=MD5", "algorithm=TIGER"),
        good.replace("nc=00000001", "nc=00000002"),
        good.replace("nc=00000001", "nc=x"),
        good.replace("qop=auth", "qop=auth-int"),
        "Digest",
        "Basic eDp5",
        "",
    ):
        assert server.judge("INVITE", [bad], 5) == (Verdict.WRONG, "")
    assert server.judge("INVITE", ["Basic eDp5", good], 5) == (Verdict.GOOD, "pbx")


def test_other_alphabets_log_in() -> None:
    """Passwords are UTF-8 (RFC 7616, section 4)."""
    server = guard()
    assert server.judge("INVITE", [answer(server.challenge(5)[0], 1, "пбх", "пароль")], 5) == (Verdict.GOOD, "пбх")


def test_nonce_is_good_once_a_count_and_for_its_time() -> None:
    """Whoever repeats what he overheard is told to take a new nonce, and cannot."""
    server = guard()
    (challenge,) = server.challenge(5)
    verdicts = [server.judge("INVITE", [answer(challenge, nc)], 6)[0] for nc in (1, 1, 3, 2, 3, 2)]
    good, stale = Verdict.GOOD, Verdict.STALE
    assert verdicts == [good, stale, good, good, stale, stale]
    assert server.judge("INVITE", [answer(challenge, 9)], 1006)[0] is stale
    assert server.judge("INVITE", [answer(challenge, 9)], 4)[0] is stale
    assert "stale=true" in server.challenge(9, stale=True)[0]


def test_answer_without_count_is_good_once() -> None:
    """RFC 2069's clients know no qop."""
    server = guard()
    challenge = server.challenge(5)[0].replace(', qop="auth"', "")
    assert [server.judge("INVITE", [answer(challenge)], 6)[0] for _ in "ab"] == [Verdict.GOOD, Verdict.STALE]


def test_counts_far_behind_are_refused() -> None:
    """The window is bounded: 64 counts."""
    replays = Replays()
    nonce = make_nonce(KEY, 1, 1)
    assert replays.use(nonce, 1, 100)
    assert not replays.use(nonce, 1, 100 - WINDOW)
    assert replays.use(nonce, 1, 101 - WINDOW) and not replays.use(nonce, 1, 101 - WINDOW)
    assert replays.use(nonce, 1, 1000) and not replays.use(nonce, 1, 100)


def test_forgotten_nonces_cannot_be_used_again() -> None:
    """Memory is bounded, and making it full does not open the way for a replay."""
    replays = Replays(3)
    nonces = [(make_nonce(KEY, ms, ms), ms) for ms in range(1, 6)]
    assert all(replays.use(nonce, ms, 1) for nonce, ms in nonces)
    assert len(replays) == 3
    assert not any(replays.use(nonce, ms, count) for nonce, ms in nonces for count in (1,))
    assert not replays.use(nonces[0][0], 1, 2)
    assert replays.use(nonces[4][0], 5, 2)


def test_nonces_of_others_are_not_taken() -> None:
    """The proof is keyed."""
    assert read_nonce(KEY, make_nonce(KEY, 77, 1)) == 77
    assert read_nonce(KEY, make_nonce(b"x" * 32, 77, 1)) is None
    assert read_nonce(KEY, "77") is None


def test_first_known_challenge_is_answered() -> None:
    """The server's order is its preference, and what is not known is passed over (RFC 8760, section 2.4)."""
    values = [
        'Digest realm="r", nonce="1", algorithm=SHA-512-256, qop="auth"',
        'Digest realm="r", nonce="2", qop="auth-int"',
        'Digest realm="a \\"b\\", c", nonce="3", algorithm=SHA-256, qop="auth-int, auth", opaque="o", stale=TRUE',
        'Digest realm="r", nonce="4"',
    ]
    chosen = choose_challenge(values)
    assert chosen is not None and chosen[:4] == ('a "b", c', "3", "SHA-256", "o") and chosen.qop and chosen.stale
    assert read_parameters(write_answer(chosen, "u", "p", "REGISTER", "sip:r", nc=1, cnonce="c")) == {
        "username": "u", "realm": 'a "b", c', "nonce": "3", "uri": "sip:r", "algorithm": "SHA-256", "qop": "auth",
        "nc": "00000001", "cnonce": "c", "opaque": "o",
        "response": independent("sha256", "u", 'a "b", c', "p", "REGISTER", {"nonce": "3", "nc": "00000001", "cnonce": "c", "uri": "sip:r"}),
    }  # fmt: skip
    assert choose_challenge(values[:2]) is None
