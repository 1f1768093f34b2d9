"""Foreign client code, byte for byte as existing libraries speak (spec clients 2.1 to 2.4)."""

import asyncio
import http.client
import json
import re
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.flows.rig import Program, parse_answer

DEMO = "login=demo&psw=demo"
DEMO_MD5 = "fe01ce2a7fbac8fafaed7c982a04e229"
DEMO_SHA1 = "89e495e7941cf9e40e6980d14a16bf023ccd4c91"


def with_demo(tmp_path: Path, talk: Callable[[Program], None]) -> None:
    """Run a blocking client beside the demo."""

    async def story() -> None:
        async with Program(tmp_path, "--demo") as program:
            await asyncio.to_thread(talk, program)

    asyncio.run(story())


def test_urllib_reads_the_text_forms(tmp_path: Path) -> None:
    """Readers anchor at the start, cut at ', ' and ' - ', and take a newline at the end for part of the id."""

    def talk(program: Program) -> None:
        def get(page: str, query: str) -> str:
            url = f"http://{program.host}:{program.port}/sys/{page}.php?{DEMO}&{query}"
            with urllib.request.urlopen(url, timeout=10) as answer:
                assert answer.status == 200
                assert answer.headers["Content-Type"].startswith("text/plain")
                return str(answer.read().decode("cp1251"))

        sent = get("send", "phones=79161234567&mes=one&id=0&translit=0&time=0&flash=0&tz=&sender=&charset=utf8")
        assert sent == "OK - 1 SMS, ID - 1"
        pieces = dict(piece.split(" - ") for piece in sent.split(", "))
        assert pieces == {"OK": "1 SMS", "ID": "1"}
        assert get("send", "phones=79161234567&mes=two&cost=1") == "1.6 (1 SMS)"
        assert re.fullmatch(r"\d+\.\d+", get("balance", ""))
        assert re.match(r"ERROR = 7 \([^()]+\)(, ID - \d+)?$", get("send", "phones=12&mes=three"))
        assert re.match(r"Status = -?\d+, check_time = ", get("status", "phone=79161234567&id=1"))

    with_demo(tmp_path, talk)


def test_php_socket_fallback_over_http_1_0(tmp_path: Path) -> None:
    """The PHP library without curl writes HTTP/1.0 with `Connection: Close` and cuts at the first blank line."""

    async def story() -> None:
        async with Program(tmp_path, "--demo") as program:
            body = f"{DEMO}&fmt=1&cost=3&phones=79161234567%3B79161234568&mes=php".encode()
            head = (
                "POST /sys/send.php HTTP/1.0\r\nHost: smsc.example\r\n"
                "Content-Type: application/x-www-form-urlencoded\r\n"
                f"Content-Length: {len(body)}\r\nConnection: Close\r\n\r\n"
            )
            for version in ("1.0", "1.1"):
                answer = await program.raw(head.replace("HTTP/1.0", f"HTTP/{version}").encode() + body)
                assert answer.status == 200
                assert "transfer-encoding" not in answer.headers
                assert answer.headers["content-length"] == str(len(answer.body))
                body = body.replace(b"mes=php", b"mes=ph2")
                values = answer.body.decode().split(",")
                assert len(values) == 4 and values[1] == "2" and float(values[1]) > 0
            get = await program.raw(f"GET /sys/balance.php?{DEMO}&fmt=1 HTTP/1.0\r\n\r\n".encode())
            assert get.body.count(b",") == 0 and float(get.body) > 0

    asyncio.run(story())


def test_node_sends_everything_as_multipart_in_chunks(tmp_path: Path) -> None:
    """The official Node library posts a multipart form, its parameters partly in the URL, without a length."""
    boundary = "--------------------------515890814546601021194782"
    fields = {"login": "demo", "psw": DEMO_MD5, "fmt": "3", "phones": "79161234567", "mes": "Привет\nмир", "cost": "3"}
    body = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    body += f"--{boundary}--\r\n"

    def talk(program: Program) -> None:
        link = http.client.HTTPConnection(program.host, program.port, timeout=10)
        data = body.encode()
        pieces = [data[at : at + 37] for at in range(0, len(data), 37)]
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        link.request("POST", "/sys/send.php?charset=utf-8", iter(pieces), headers, encode_chunked=True)
        answer = link.getresponse()
        found = json.loads(answer.read())
        assert answer.status == 200
        assert found == {"id": 1, "cnt": 1, "cost": "1.6", "balance": "998.4"}
        link.request("GET", f"/sys/status.php?{DEMO}&phone=79161234567&id=1&fmt=3&all=1&charset=utf-8")
        assert json.loads(link.getresponse().read())["message"] == "Привет\nмир"
        link.close()

    with_demo(tmp_path, talk)


def test_java_and_go_find_only_known_keys_of_the_right_types(tmp_path: Path) -> None:
    """The Java client refuses unknown keys; Go fails on a number in the place of a string and the reverse."""

    def talk(program: Program) -> None:
        def ask(page: str, query: str) -> dict[str, object]:
            url = f"http://{program.host}:{program.port}/sys/{page}.php?login=demo&psw={DEMO_SHA1}&fmt=3&{query}"
            with urllib.request.urlopen(url, timeout=10) as answer:
                assert answer.headers["Content-Type"].startswith("application/json")
                found: dict[str, object] = json.loads(answer.read().decode("cp1251"))
                return found

        plain = ask("send", "phones=79161234567&mes=a")
        assert plain == {"id": 1, "cnt": 1} and all(type(value) is int for value in plain.values())
        given = ask("send", "phones=79161234567&mes=b&id=2147483647")
        assert given["id"] == 2147483647
        whole = ask("send", "phones=79161234567,79161234568&mes=c&cost=3&op=1")
        assert set(whole) == {"id", "cnt", "cost", "balance", "phones"}
        assert (type(whole["cost"]), type(whole["balance"])) == (str, str)
        rows = whole["phones"]
        assert isinstance(rows, list) and [row["phone"] for row in rows] == ["79161234567", "79161234568"]
        for row in rows:
            assert set(row) <= {"phone", "mccmnc", "cost", "status", "error"}
            assert all(type(value) is str for value in row.values()) and row["mccmnc"]
        assert sum(float(row["cost"]) for row in rows) == float(str(whole["cost"]))
        failed = ask("send", "phones=12&mes=d")
        assert set(failed) <= {"error", "error_code", "id"}
        assert (type(failed["error"]), type(failed["error_code"])) == (str, int)
        money = ask("balance", "cur=1")
        assert set(money) <= {"balance", "credit", "currency"} and re.fullmatch("[A-Z]{3}", str(money["currency"]))

    with_demo(tmp_path, talk)


def test_the_python_package_asks_for_lists_by_a_trailing_comma(tmp_path: Path) -> None:
    """It sends `id=5,` always, and takes a bare object for an error."""

    def talk(program: Program) -> None:
        base = f"http://{program.host}:{program.port}"
        form = urllib.parse.urlencode(
            {"login": "demo", "psw": "demo", "fmt": 3, "phones": "79161234567", "mes": "hi", "charset": "utf-8"}
        )
        with urllib.request.urlopen(f"{base}/sys/send.php", form.encode(), timeout=10) as answer:
            assert json.load(answer) == {"id": 1, "cnt": 1}
        query = urllib.parse.urlencode({"phone": "79161234567,", "id": "1,", "all": 2, "fmt": 3, "charset": "utf-8"})
        with urllib.request.urlopen(f"{base}/sys/status.php?{DEMO}&{query}", timeout=10) as answer:
            (row,) = json.load(answer)
        for name in ("status", "status_name", "last_date", "send_date", "last_timestamp", "send_timestamp", "id"):
            assert name in row
        assert re.fullmatch(r"\d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d", row["send_date"])

    with_demo(tmp_path, talk)


@pytest.mark.parametrize("path", ["/rest/send/", "/rest/send"])
def test_json_bodies_are_utf_8_and_answered_in_json(path: str, tmp_path: Path) -> None:
    """/rest/ takes parameters as one JSON object and needs no fmt."""

    def talk(program: Program) -> None:
        link = http.client.HTTPConnection(program.host, program.port, timeout=10)
        body = json.dumps({"login": "", "psw": "demo-key", "phones": "79161234567", "mes": "Ёж"}, ensure_ascii=False)
        link.request("POST", path, body.encode(), {"Content-Type": "application/json"})
        assert json.loads(link.getresponse().read()) == {"id": 1, "cnt": 1}
        link.close()

    with_demo(tmp_path, talk)


def test_unescaped_texts_in_the_address_are_tolerated(tmp_path: Path) -> None:
    """C# in POST mode and a Node package escape nothing: raw UTF-8 and blanks in the form and the URL."""

    async def story() -> None:
        async with Program(tmp_path, "--demo") as program:
            body = f"{DEMO}&fmt=3&charset=utf-8&phones=79161234567&mes=два слова\nи строка&query".encode()
            head = f"POST /sys/send.php HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
            kind = "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
            assert (await program.raw((head + kind).encode() + body)).json == {"id": 1, "cnt": 1}
            line = f"GET /sys/send.php?{DEMO}&fmt=3&charset=utf-8&phones=79161234567&mes=Ёж HTTP/1.1\r\n"
            raw = await program.raw(f"{line}Host: x\r\nConnection: close\r\n\r\n".encode())
            assert raw.json == {"id": 2, "cnt": 1}

    asyncio.run(story())


def test_an_answer_is_read_as_a_whole_by_a_bare_socket() -> None:
    """The rig's own reader: what it takes for status, header and body."""
    answer = parse_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
    assert (answer.status, answer.headers, answer.body) == (200, {"content-length": "2"}, b"OK")
