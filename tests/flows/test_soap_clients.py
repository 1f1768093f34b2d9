"""Foreign SOAP clients read our WSDL over a socket and use the whole program (spec clients 2.5)."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import suds.client
import zeep
from tests.flows.rig import Program

LONG = "Съешь ещё этих мягких французских булок, да выпей чаю & <кофе>. " * 6
PHONE = "79161234567"
LOGIN = {"login": "demo", "psw": "demo"}


def with_demo(tmp_path: Path, talk: Callable[[str], None]) -> None:
    """Run a blocking client beside the demo."""

    async def story() -> None:
        async with Program(tmp_path, "--demo") as program:
            await asyncio.to_thread(talk, f"http://{program.host}:{program.port}/sys")

    asyncio.run(story())


def test_zeep_reads_the_description_and_uses_every_method(tmp_path: Path) -> None:
    """zeep checks every answer against the schema, in its order."""

    def talk(url: str) -> None:
        with zeep.Client(f"{url}/soap.php?wsdl") as client:
            service = client.service
            before = service.get_balance(**LOGIN)
            assert (before.balance, before.error) == ("1000.00", "0")
            price = service.get_sms_cost(**LOGIN, phones=PHONE, mes=LONG)
            assert (price.cost, price.cnt, price.error) == ("9.6", "6", "0")
            assert service.get_sms_cost2(**LOGIN, phones=PHONE, mes=LONG, query="translit=1").cnt == "3"
            sent = service.send_sms(**LOGIN, phones=PHONE, mes=LONG)
            assert (sent.id, sent.cnt, sent.cost, sent.balance, sent.error) == ("1", "6", "9.6", "990.4", "0")
            with_problem = service.send_sms2(**LOGIN, phones=f"{PHONE},12", mes="Hi", query="err=1&translit=1")
            assert [(each.phone, each.status) for each in with_problem.errors] == [("12", "22")]
            status = service.get_status(**LOGIN, phone=PHONE, id=sent.id, all=2)
            assert (status.message, status.cost, status.sms_cnt, status.error) == (LONG, "9.6", "6", "0")
            assert (status.operator, status.err) == ("МТС", "0")
            assert service.get_status2(apikey="demo-key", phone=PHONE, id=sent.id, query="all=1").message == LONG
            assert service.get_status(**LOGIN, phone=PHONE, id="999").error == "3"
            assert service.get_balance(login="demo", psw="wrong").error == "2"

    with_demo(tmp_path, talk)


def test_suds_reads_the_description_and_uses_it(tmp_path: Path) -> None:
    """An older reader, unrelated to zeep; positional arguments in the order of the schema."""

    def talk(url: str) -> None:
        client = suds.client.Client(f"{url}/soap.php?wsdl", cache=None)
        assert client.service.get_balance("demo", "demo").balance == "1000.00"
        assert client.service.get_sms_cost("demo", "demo", PHONE, LONG).cost == "9.6"
        sent = client.service.send_sms("demo", "demo", PHONE, LONG)
        assert (sent.id, sent.cnt, sent.error) == ("1", "6", "0")
        status = client.service.get_status("demo", "demo", PHONE, sent.id, "1")
        assert (status.message, status.error) == (LONG, "0")
        assert client.service.send_sms2("demo", "demo", PHONE, "Hi", query="flash=1").cnt == "1"
        assert client.service.send_sms("demo", "demo", "12", "Hi").error == "7"

    with_demo(tmp_path, talk)


def test_bad_requests_are_answered_in_envelopes(tmp_path: Path) -> None:
    """Also what the door itself does not take; the connection goes on where it can."""

    def talk(url: str) -> None:
        address = urlsplit(url)
        assert address.hostname is not None
        with closing(HTTPConnection(address.hostname, address.port, timeout=10)) as connection:
            for path in ("/sys/soap.php", "/sys/oms.php"):
                for body in (
                    b"<broken",
                    b"",
                    b"<a>" * 100_000,
                    b"x" * 3_000_000,
                    b'<!DOCTYPE a [<!ENTITY b "c">]><a/>',
                ):
                    connection.request("POST", path, body, {"Content-Type": "text/xml"})
                    answer = connection.getresponse()
                    assert (answer.status, answer.headers["Content-Type"]) == (500, "text/xml; charset=utf-8")
                    assert b"<faultcode>soap:Client</faultcode>" in answer.read()
                connection.request("GET", path)
                assert connection.getresponse().read().startswith(b"This is a SOAP service")
            connection.putrequest("POST", "/sys/soap.php")
            connection.putheader("Content-Length", str(10**9))
            connection.endheaders()
            answer = connection.getresponse()
            assert (answer.status, b"the request is too large" in answer.read()) == (500, True)

    with_demo(tmp_path, talk)


def test_zeep_delivers_by_oms(tmp_path: Path) -> None:
    """The description of the service for Outlook, at both of its addresses."""
    document = (
        '<?xml version="1.0" encoding="utf-16"?><xmsData client="zeep"><user><userId>demo</userId><password>demo</password></user>'
        "<xmsHead><requiredService>SMS_SENDER</requiredService><to><recipient>79161234567</recipient></to></xmsHead>"
        '<xmsBody format="SMS"><content contentType="text/plain">(1/2) Привет</content><content>(2/2) всем</content></xmsBody>'
        "</xmsData>"
    )

    def talk(url: str) -> None:
        for page in ("oms.php", "oms.asmx"):
            with zeep.Client(f"{url}/{page}?WSDL") as client:
                assert f"<serviceUri>{url}/{page}</serviceUri>" in client.service.GetServiceInfo()
                user = "<xmsUser><userId>demo</userId><password>demo</password></xmsUser>"
                assert "<smtpAddress>demo@127.0.0.1</smtpAddress>" in client.service.GetUserInfo(xmsUser=user)
                assert 'code="ok"' in client.service.DeliverXms(xmsData=document)
        with zeep.Client(f"{url}/soap.php?wsdl") as client:
            assert client.service.get_balance(**LOGIN).balance == "996.80"
            texts = [client.service.get_status(**LOGIN, phone=PHONE, id=id, all=1).message for id in (1, 2)]
            assert texts == ["(1/2) Привет", "(2/2) всем"]

    with_demo(tmp_path, talk)
