"""What the clients do when no answer comes: ask again where that is safe, and never send a text twice (spec clients 2.2)."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.client.conftest import CUT, SILENCE, Peer, listening, say

from heliograph.client import AlreadyTaken, ApiError, NoAnswer
from heliograph.client.smsc_api import SMSC

SENT = say('{"id": 5, "cnt": 1}')
DUPLICATE = say('{"error": "duplicate request, wait a minute", "error_code": 9}')
BUSY = say('{"error": "too many concurrent requests", "error_code": 9}')
BALANCE = say('{"balance": "10.00", "currency": "RUR"}')
EMPTY = say("")
DOWN = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nbad"


def closed_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    "lost", [b"", EMPTY, DOWN, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{<cut>", b"nonsense\r\n\r\n"]
)
def test_a_lost_request_is_made_again(client: Any, lost: bytes) -> None:
    """A connection that closes, an empty body, a proxy without its server: the next try gets the answer."""

    async def story() -> None:
        async with listening(Peer(lost, BALANCE)) as peer, client(peer.url) as ask:
            assert str((await ask("balance")).balance) == "10.00"
            assert len(peer.forms) == 2

    asyncio.run(story())


def test_hosts_are_asked_in_turn(client: Any) -> None:
    """The first one is down: the text goes to the second at once, and to the first again only after it."""

    async def story() -> None:
        away = f"http://127.0.0.1:{closed_port()}/"
        async with listening(Peer(SENT)) as peer, client(away, hosts=[peer.url]) as ask:
            assert (await ask("send", "79161234567", "x")).id == 5
        assert len(peer.forms) == 1 and peer.paths == ["/sys/send.php"]

    asyncio.run(story())


def test_attempts_end(client: Any) -> None:
    """A service that is away is told as such, after as many tries as were granted."""

    async def story() -> None:
        async with listening(Peer(b"")) as peer, client(peer.url, attempts=2) as ask:
            with pytest.raises(NoAnswer) as caught:
                await ask("balance")
            assert caught.value.sent and caught.value.code == 0
            assert len(peer.forms) == 2
        async with client(f"http://127.0.0.1:{closed_port()}/") as ask:
            with pytest.raises(NoAnswer) as caught:
                await ask("send", "79161234567", "x")
            assert not caught.value.sent

    asyncio.run(story())


def test_a_duplicate_after_a_lost_answer_was_taken(client: Any) -> None:
    """The text is on its way: whoever sent it must not send it a third time."""

    async def story() -> None:
        async with listening(Peer(b"", DUPLICATE)) as peer, client(peer.url) as ask:
            with pytest.raises(AlreadyTaken) as caught:
                await ask("send", "79161234567", "x", id="order-7")
            assert (caught.value.code, caught.value.id) == (9, "order-7")
            assert peer.forms[0] == peer.forms[1]

    asyncio.run(story())


def test_a_duplicate_of_somebody_else_is_refused(client: Any) -> None:
    """Without a lost answer, error 9 is what it says; also when the first host was not even reached."""

    async def story() -> None:
        async with listening(Peer(DUPLICATE)) as peer:
            for url, hosts in ((peer.url, []), (f"http://127.0.0.1:{closed_port()}/", [peer.url])):
                async with client(url, hosts=hosts) as ask:
                    with pytest.raises(ApiError) as caught:
                        await ask("send", "79161234567", "x")
                    assert caught.value.code == 9 and not isinstance(caught.value, AlreadyTaken)

    asyncio.run(story())


def test_too_many_requests_say_nothing_of_a_lost_text(client: Any) -> None:
    """The other words of error 9: whether the first one was taken stays open."""

    async def story() -> None:
        async with listening(Peer(b"", BUSY)) as peer, client(peer.url) as ask:
            with pytest.raises(NoAnswer) as caught:
                await ask("send", "79161234567", "x")
            assert caught.value.sent

    asyncio.run(story())


def test_what_must_not_happen_twice_is_not_repeated(client: Any) -> None:
    """A second export would be another one; a deletion would look as if it had failed."""

    async def story() -> None:
        async with listening(Peer(b"")) as peer, client(peer.url) as ask:
            for name, arguments in (("add_export", ("01.11.2026",)), ("delete", ("7916", 1)), ("cancel_export", (1,))):
                peer.forms.clear()
                with pytest.raises(NoAnswer):
                    await ask(name, *arguments)
                assert len(peer.forms) == 1

    asyncio.run(story())


def test_a_silent_server_is_given_up(client: Any) -> None:
    """Within the time that was granted, and it counts as asked."""

    async def story() -> None:
        async with listening(Peer(SILENCE)) as peer, client(peer.url, timeout_s=0.1, attempts=1) as ask:
            with pytest.raises(NoAnswer, match="in time"):
                await ask("balance")

    asyncio.run(story())


def test_connections_are_kept(client: Any) -> None:
    """Ten questions need one connection; one that says that it closes is not used again."""

    async def story() -> None:
        async with listening(Peer(BALANCE)) as peer, client(peer.url) as ask:
            for _ in range(10):
                await ask("balance")
            assert peer.connections == 1
        closing = say('{"balance": "1"}', "Connection: close\r\n")
        async with listening(Peer(closing)) as peer, client(peer.url) as ask:
            await ask("balance")
            await ask("balance")
            assert peer.connections == 2 and len(peer.forms) == 2

    asyncio.run(story())


@pytest.mark.parametrize(
    "answer",
    [
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{"balanc\r\n9;x=y\r\ne": "10"}\r\n0\r\nA: b\r\n\r\n',
        b'HTTP/1.0 200 OK\r\n\r\n{"balance": "10"}',
    ],
)
def test_other_frames_are_read(client: Any, answer: bytes) -> None:
    """Chunks, and a body that ends with its connection, as proxies make them."""

    async def story() -> None:
        async with listening(Peer(answer)) as peer, client(peer.url) as ask:
            assert (await ask("balance")).balance == 10

    asyncio.run(story())


def test_history_is_read_page_by_page(client: Any) -> None:
    """Each page begins behind the last message of the one before; a short page, or none found, is the end."""

    async def story() -> None:
        def page(*ids: int) -> bytes:
            rows = ", ".join(f'{{"int_id": "{id}", "id": {id}, "status": 1, "phone": "7916"}}' for id in ids)
            return say(f"[{rows}]")

        nothing = say('{"error": "not found", "error_code": 3}')
        async with listening(Peer(page(9, 8), page(7, 5), nothing)) as peer, client(peer.url) as ask:
            assert [each.id for each in await ask("history", "01.11.2026", page=2)] == [9, 8, 7, 5]
            assert [form.get("prev_id") for form in peer.forms] == [None, "8", "5"]
        async with listening(Peer(page(9, 8), page(7))) as peer, client(peer.url) as ask:
            assert len(await ask("history", page=2)) == 3 and len(peer.forms) == 2

    asyncio.run(story())


def test_incoming_texts_are_read_page_by_page(client: Any) -> None:
    """Behind the last id."""

    async def story() -> None:
        pages = [say('[{"id": 1, "phone": "7916"}, {"id": 4, "phone": "7916"}]'), say("[]")]
        async with listening(Peer(*pages)) as peer, client(peer.url) as ask:
            assert [each.id for each in await ask("answers", hour=24, page=2)] == [1, 4]
            assert [form.get("after_id") for form in peer.forms] == [None, "4"]

    asyncio.run(story())


def test_waiting_bears_with_other_askers(client: Any) -> None:
    """Error 9 while somebody else asks for the same message is no end; another error is."""

    async def story() -> None:
        final = say('{"status": 1, "last_timestamp": 5}')
        seen: list[int] = []
        async with listening(Peer(DUPLICATE, final)) as peer, client(peer.url) as ask:
            status = await ask("wait", "7916", 1, pause_s=0.01, on_status=lambda status: seen.append(status.status))
            assert status.delivered and seen == [1] and len(peer.forms) == 2
        async with (
            listening(Peer(say('{"error": "authorise error", "error_code": 2}'))) as peer,
            client(peer.url) as ask,
        ):
            with pytest.raises(ApiError, match="authorise"):
                await ask("wait", "7916", 1)
        async with listening(Peer(say('{"status": -1}'))) as peer, client(peer.url) as ask:
            assert not (await ask("wait", "7916", 1, patience_s=0)).final

    asyncio.run(story())


def test_a_file_comes_whole_or_not_at_all(client: Any, tmp_path: Path) -> None:
    """A connection that breaks in the middle leaves nothing; the next try has the whole file."""

    async def story() -> None:
        attached = 'Content-Disposition: attachment; filename="a.csv"\r\n'
        whole = say(b"a;b\n" * 1000, attached)
        broken = whole[:-500]
        target = tmp_path / "out.csv"
        async with listening(Peer(broken + CUT, whole)) as peer, client(peer.url) as ask:
            assert await ask("download", 1, target) == target
            assert target.read_bytes() == b"a;b\n" * 1000 and len(peer.forms) == 2
        target.unlink()
        for answer in (say('{"error": "not found", "error_code": 5}'), say('{"id": 1}')):
            async with listening(Peer(answer)) as peer, client(peer.url) as ask:
                with pytest.raises(ApiError):
                    await ask("download", 1, target)
        with pytest.raises(FileNotFoundError):
            async with listening(Peer(whole)) as peer, client(peer.url) as ask:
                await ask("download", 1, tmp_path / "nowhere" / "out.csv")
        assert list(tmp_path.iterdir()) == []

    asyncio.run(story())


def test_module_of_the_service_answers_with_lists() -> None:
    """As programs that were written for it expect: values as texts, errors as values, silence as two empty ones."""

    async def story() -> None:
        answers = [say("5,1,1.6,98.4"), say("17,-3"), b"", say("0,-9"), say("10.00"), say("0,-2")]
        async with listening(Peer(*answers)) as peer:

            def talk() -> list[Any]:
                smsc = SMSC("shop", "p", peer.url, pause_s=0.01)
                sent = smsc.send_sms("7916;7917", "Привет", id=3, format=1, sender="Shop", query="maxsms=2&tz=1")
                return [sent, *(smsc.send_sms("7916", "x") for _ in range(2)), smsc.get_balance(), smsc.get_balance()]

            assert await asyncio.to_thread(talk) == [
                ["5", "1", "1.6", "98.4"],
                ["17", "-3"],
                ["0", "-9"],
                "10.00",
                False,
            ]
            expected = {"cost": "3", "phones": "7916;7917", "mes": "Привет", "id": "3", "flash": "1", "sender": "Shop"}
            assert {**expected, "maxsms": "2", "tz": "1", "fmt": "1"}.items() <= peer.forms[0].items()
            assert "sender" not in peer.forms[1]

    asyncio.run(story())
    away = SMSC("shop", "p", f"http://127.0.0.1:{closed_port()}/", attempts=1)
    assert away.send_sms("7916", "x") == ["", ""] and away.get_balance() is False
    assert away.get_status(1, "7916", 1) == ["", ""]


def test_module_of_the_service_cuts_statuses_as_the_original() -> None:
    """A text may hold commas, an HLR answer has more values, a list has a line for each message."""

    async def story() -> None:
        hlr = "1,5,0,imsi,msc,250,01,cn,net,rcn,rnet,6,7916,0.4,HLR,Delivered,"
        answers = [
            "1,5,0,6,7916,1.6,Shop,Delivered,one, two, three",
            hlr,
            "1,5,0,8,7916\n-3,0,0,9,7917",
            "0,-2",
            "1,5,0",
        ]
        async with listening(Peer(*map(say, answers))) as peer:

            def talk() -> list[Any]:
                smsc = SMSC("", "", peer.url, key="k")
                full = [smsc.get_status(8, "7916", 1), smsc.get_status(8, "7916", 1)]
                return [
                    *full,
                    smsc.get_status("8,9", "7916,7917"),
                    smsc.get_status("8,9", "7"),
                    smsc.get_status(8, "7916"),
                ]

            text, hlr_values, rows, refused, short = await asyncio.to_thread(talk)
        assert text[8] == "one, two, three" and len(text) == 9
        assert hlr_values[14] == "HLR" and len(hlr_values) == 17
        assert rows == [["1", "5", "0", "8", "7916"], ["-3", "0", "0", "9", "7917"]]
        assert refused == ["0", "-2"] and short == ["1", "5", "0"]

    asyncio.run(story())
