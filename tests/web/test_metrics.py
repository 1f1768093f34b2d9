"""/metrics, /healthz and /readyz of a whole installation (web/metrics.py, web/probes.py, web/survey.py)."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.databases import BACKENDS, fresh_url
from tests.web.metrics_house import ask, configure, get, opened, parse, run, until

from heliograph import demo
from heliograph.app import build, clock_ms
from heliograph.services.entries import QUARTER_MS
from heliograph.store.database import Full, Step
from heliograph.store.secrets import Secrets
from heliograph.web.buckets import Buckets
from heliograph.web.families import FAMILIES, render_page

DOCS = Path(__file__).parents[2] / "docs"


def test_text_that_was_delivered_is_seen_in_every_figure(tmp_path: Path) -> None:
    """The path of a text must be visible from acceptance to receipt: otherwise nobody sees where it stops."""

    async def body() -> None:
        async with run(tmp_path) as heliograph:
            path = "/sys/send.php?apikey=demo-key&phones=79990000001&mes=Hello&fmt=3"
            status, answer = await get(heliograph.addresses["http"], path)
            assert status == 200 and "id" in json.loads(answer)
            await until(lambda: heliograph.receipts.matched > 0 and not heliograph.desk.batch.waiting)
            await heliograph.survey.count_tables()
            await heliograph.survey.check_ledger()
            status, text = await get(heliograph.addresses["http"], "/metrics")
            assert status == 200
            found = parse(text)
            one = {
                "heliograph_stored_messages_total",
                "heliograph_dispatcher_handed_messages_total",
                "heliograph_accept_seconds_count",
                "heliograph_delivery_seconds_count",
                "heliograph_receipts_matched_total",
                "heliograph_ready",
            }
            assert {name for name in one if found[name, ()] != 1} == set()
            assert found["heliograph_queue_wait_seconds_count", ("1",)] == 1
            assert found["heliograph_finished_messages_total", ("1",)] == 1
            assert found["heliograph_store_commit_seconds_count", ()] == found["heliograph_store_commits_total", ()] > 0
            carrier = next(iter(heliograph.dispatcher.lines.values())).links.carrier.name
            assert found["heliograph_carrier_up", (carrier,)] == 1
            assert found["heliograph_carrier_submitted_parts_total", (carrier,)] == 1
            assert found["heliograph_dispatcher_waiting_messages", (carrier, "1")] == 0
            assert found["heliograph_ledger_difference", ()] == 0
            assert found["heliograph_ledger_checked_time_seconds", ()] > 0
            assert found["heliograph_http_requests_total", ()] == 2

    asyncio.run(body())


def test_repeated_receipt_counts_its_text_once(tmp_path: Path) -> None:
    """Carriers repeat receipts; the rate of deliveries must not be their rate."""

    async def body() -> None:
        async with run(tmp_path) as heliograph:
            await get(heliograph.addresses["http"], "/sys/send.php?apikey=demo-key&phones=79990000001&mes=Hi&fmt=3")
            await until(lambda: heliograph.receipts.matched > 0 and not heliograph.desk.batch.waiting)
            (message,) = heliograph.desk.messages.values()
            heliograph.desk.note(message)
            heliograph.desk.note(message)
            found = parse(heliograph.figures.render(clock_ms()).decode())
            assert found["heliograph_finished_messages_total", ("1",)] == 1
            assert found["heliograph_delivery_seconds_count", ()] == 1

    asyncio.run(body())


@pytest.mark.parametrize("backend", BACKENDS)
def test_queue_and_ledger_are_told_from_the_store(backend: str, tmp_path: Path) -> None:
    """What waits on disk and money that does not add up are the two figures that people are woken for."""

    async def body() -> None:
        environ = {"HELIOGRAPH_STORE_DATABASE": await fresh_url(backend, tmp_path)}
        async with opened(tmp_path, environ) as heliograph:
            now_ms = clock_ms()
            rows = [(1, 7, 1, now_ms - 60_000, 0), (2, 7, 1, now_ms + 60_000, 0), (3, 7, 3, now_ms, 0)]
            await heliograph.db.transact([Step("queue.add", rows), Step("queue.start", [(now_ms, 7, 3)])])
            counter = (5, now_ms // QUARTER_MS, 1, "RUR", 1, 25_000, 0)
            entry = (5, now_ms, "charge", -25_000, 1, 1, 1, "")
            await heliograph.db.transact([Step("ledger.add", [entry]), Step("statistics.add", [counter])])
            await heliograph.survey.count_tables()
            await heliograph.survey.check_ledger()
            found = parse(heliograph.figures.render(now_ms).decode())
            states = {key[1][1:]: value for key, value in found.items() if key[0] == "heliograph_queue_messages"}
            assert states["1", "due"] == states["1", "later"] == states["3", "started"] == 1
            assert states["3", "due"] == states["3", "unsure"] == 0
            assert found["heliograph_queue_oldest_seconds", ("carrier 7", "1")] >= 60
            assert found["heliograph_ledger_faults", ()] == 2  # the balance, and a charge without a text
            assert found["heliograph_ledger_difference", ()] == 5
            heliograph.survey.written_s = -1e9
            assert await heliograph.survey.is_writable()

    asyncio.run(body())


def test_figures_are_for_named_addresses_only(tmp_path: Path) -> None:
    """Volumes and carriers are a business secret; being alive is not."""

    async def body() -> None:
        async with opened(tmp_path) as heliograph:
            assert (await ask(heliograph, "/metrics", "192.0.2.1")).status == 403
            assert (await ask(heliograph, "/metrics", "::1")).status == 200
            assert (await ask(heliograph, "/metrics", method="POST")).status == 405
            assert (await ask(heliograph, "/elsewhere")).status == 404
            answer = await ask(heliograph, "/healthz", "192.0.2.1")
            assert (answer.status, answer.body) == (200, b'{"alive":true}')
            assert "carriers_down" not in json.loads((await ask(heliograph, "/readyz", "192.0.2.1")).body)

    asyncio.run(body())


def test_client_behind_a_trusted_proxy_is_the_one_that_counts(tmp_path: Path) -> None:
    """A proxy on the same machine must not open the figures to the world."""

    async def body() -> None:
        async with run(tmp_path, {"HELIOGRAPH_HTTP_TRUSTED_PROXIES": "127.0.0.1"}) as heliograph:
            reader, writer = await asyncio.open_connection(*heliograph.addresses["http"])
            writer.write(b"GET /metrics HTTP/1.0\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")
            assert b" 403 " in (await reader.readline())
            writer.close()

    asyncio.run(body())


def test_own_door_takes_the_pages_off_the_other(tmp_path: Path) -> None:
    """Who gives them an address of their own wants them on no other."""

    async def body() -> None:
        async with run(tmp_path, {"HELIOGRAPH_METRICS_LISTEN": "127.0.0.1:0"}) as heliograph:
            assert heliograph.probes_door is not None
            for path in ("/metrics", "/healthz", "/readyz"):
                assert (await get(heliograph.addresses["http"], path))[0] == 404
                assert (await get(heliograph.addresses["metrics"], path))[0] == 200
            assert (await get(heliograph.addresses["metrics"], "/sys/balance.php"))[0] == 404

    asyncio.run(body())


def test_ready_needs_a_store_and_a_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A balancer must stop sending texts here when they cannot be kept or nobody hands them on."""

    async def body() -> None:
        async with opened(tmp_path) as heliograph:
            heliograph.dispatcher.ticked_ms = clock_ms()
            answer = await ask(heliograph, "/readyz")
            assert (answer.status, json.loads(answer.body)) == (200, {"ready": True, "faults": [], "carriers_down": []})
            heliograph.dispatcher.ticked_ms -= 11_000
            answer = await ask(heliograph, "/readyz")
            assert answer.status == 503 and "loop" in json.loads(answer.body)["faults"][0]
            heliograph.dispatcher.ticked_ms = clock_ms()

            async def refuse(steps: Any) -> list[Any]:
                raise Full("the disk is full")

            monkeypatch.setattr(heliograph.db, "transact", refuse)
            survey = heliograph.survey
            survey.written_s, survey._probe = -1e9, None
            answer = await ask(heliograph, "/readyz")
            assert (answer.status, json.loads(answer.body)["faults"]) == (503, ["the store takes no writes"])
            monkeypatch.undo()
            survey._probed_s = -1e9
            assert (await ask(heliograph, "/readyz")).status == 200

    asyncio.run(body())


def test_carrier_that_is_down_is_listed_and_no_reason_to_stop(tmp_path: Path) -> None:
    """Texts wait in the queue while a carrier is away; the person who looks must see which."""

    async def body() -> None:
        config = configure(tmp_path)
        heliograph = await build(config)
        await demo.prepare(heliograph.db, Secrets.open(config.data), config.demo, ("127.0.0.1", 9), clock_ms())
        await heliograph.open()
        stop = asyncio.Event()
        running = asyncio.create_task(heliograph.run(stop))
        try:
            await until(lambda: bool(heliograph.dispatcher.lines))
            answer = await ask(heliograph, "/readyz")
            name = next(iter(heliograph.dispatcher.lines.values())).links.carrier.name
            assert answer.status == 200 and json.loads(answer.body)["carriers_down"] == [name]
            found = parse(heliograph.figures.render(clock_ms() + 5000).decode())
            assert found["heliograph_carrier_up", (name,)] == 0
            assert found["heliograph_carrier_down_seconds", (name,)] >= 5
        finally:
            stop.set()
            await running

    asyncio.run(body())


def test_two_installations_share_no_figure(tmp_path: Path) -> None:
    """Nothing may be process-wide: tests and embedders run several in one process."""

    async def body() -> None:
        async with opened(tmp_path / "a") as a, opened(tmp_path / "b") as b:
            a.figures.tally.note_stored([()])
            name = ("heliograph_stored_messages_total", ())
            assert parse(a.figures.render(0).decode())[name] == parse(b.figures.render(0).decode())[name] + 1

    asyncio.run(body())


def test_page_of_the_documentation_lists_exactly_what_is_served(tmp_path: Path) -> None:
    """A figure that nobody can look up is noise; one that is described and not served is a lie."""
    page = (DOCS / "metrics.md").read_text("utf-8")
    assert page == render_page(), "write render_page() of heliograph.web.families to docs/metrics.md"

    async def body() -> set[str]:
        async with opened(tmp_path) as heliograph:
            text = heliograph.figures.render(0).decode()
            return set(re.findall(r"^# TYPE (\S+)", text, re.M))

    served = {name for name in asyncio.run(body()) if not name.startswith("heliograph_process_")}
    assert served == {family.full for family in FAMILIES} == set(re.findall(r"^\| `(\w+)`", page, re.M))
    assert all(each.startswith("heliograph_") for each in served)


def test_bound_counts_what_equals_it() -> None:
    """Prometheus' `le` is less or equal; off by one there shifts every quantile."""
    buckets = Buckets((1, 10))
    for value in (0, 1, 2, 10, 11):
        buckets.observe(value)
    assert buckets.cumulate() == [("1", 2.0), ("10", 4.0), ("+Inf", 5.0)]
    assert buckets.cumulate(0.001)[0] == ("0.001", 2.0) and buckets.total == 24


def test_description_needs_no_reading(tmp_path: Path) -> None:
    """Registering must not touch stores or loops: it happens while the program is put together."""

    async def body() -> None:
        async with opened(tmp_path) as heliograph:
            names = [metric.name for metric in heliograph.figures.describe()]
            assert names == ["heliograph_" + family.name for family in FAMILIES]
            assert len(set(names)) == len(names)

    asyncio.run(body())
