"""The live page in a real browser, before the whole demo: doors, delivery and the simulated carrier (web/static/live.js)."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from playwright.async_api import Locator, Page, async_playwright, expect
from tests.web.live_house import House, run_house

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AT_ONCE, AFTER_A_SECOND, NO_RECEIPT, UNKNOWN = "79990000001", "79990000101", "79990000006", "79990000002"
PATIENCE_MS = 20_000


def browse(tmp_path: Path, story: Callable[[House, Page], Awaitable[None]], *, script: bool = True) -> None:
    """Open the page of a running demo in a fresh browser; whatever it complains of fails the test."""

    async def run() -> None:
        complaints: list[str] = []
        addresses: list[str] = []
        data = tmp_path / "data"
        async with run_house(data) as (house, url), async_playwright() as playwright:
            context = await playwright.chromium.launch_persistent_context(
                tmp_path / "profile",
                executable_path=CHROMIUM,
                args=ARGUMENTS,
                java_script_enabled=script,
                viewport={"width": 1280, "height": 800},
            )
            page = await context.new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("request", lambda request: addresses.append(request.url))
            await page.goto(url)
            await story(house, page)
            await context.close()
        assert complaints == []
        assert [address for address in addresses if not address.startswith(url)] == []

    expect.set_options(timeout=PATIENCE_MS)
    asyncio.run(run())


async def send(page: Page, phone: str, text: str, sender: str = "") -> None:
    """Fill in the form by its labels and press the button, as a person would."""
    await page.get_by_label("Phone").fill(phone)
    await page.get_by_label("Text", exact=True).fill(text)
    await page.get_by_label("Sender").fill(sender)
    await page.get_by_role("button", name="Send").click()


def line(page: Page, text: str) -> Locator:
    """The line of the table that holds a text."""
    return page.get_by_role("row").filter(has_text=text)


def test_text_is_sent_and_seen_delivered_without_reloading(tmp_path: Path) -> None:
    """The first minute with Heliograph: type, send, and see it arrive while the page stays where it is."""

    async def story(house: House, page: Page) -> None:
        await expect(page.locator("#link")).to_have_text("Live")
        await expect(page.get_by_text("Nothing was sent yet")).to_be_visible()
        await page.evaluate("window.stayed = true")
        await send(page, AFTER_A_SECOND, "Ваш код 4821 <b>", "SHOP")
        await expect(page.get_by_role("status")).to_have_text("Text 1 is accepted: 1 part, 1.60 RUR.")
        row = line(page, "Ваш код 4821 <b>")
        await expect(row).to_contain_text("Transferred to the operator")
        await expect(row).to_contain_text("Delivered")
        await expect(row.get_by_role("cell")).to_contain_text(
            [":", "1", AFTER_A_SECOND, "SHOP", "Ваш код", "1", "1.60", "Delivered"]
        )
        await expect(page.locator("#balance")).to_have_text("998.40")
        await expect(page.get_by_text("Nothing was sent yet")).to_be_hidden()
        await expect(page.get_by_label("Text", exact=True)).to_have_value("")
        await send(page, UNKNOWN, "nobody there")
        await expect(line(page, "nobody there")).to_contain_text("Impossible to deliver error 1, no subscriber")
        rows = page.locator("#rows").get_by_role("row")
        await expect(rows).to_contain_text(["nobody there", "Ваш код"])
        assert await page.evaluate("window.stayed")

    browse(tmp_path, story)


def test_pause_holds_the_list_and_resume_catches_up(tmp_path: Path) -> None:
    """Whoever reads a line must be able to stop the list from moving (WCAG 2.2.2), and misses nothing by it."""

    async def story(house: House, page: Page) -> None:
        await send(page, NO_RECEIPT, "before")
        await expect(line(page, "before")).to_contain_text("Transferred to the operator")
        await page.get_by_role("button", name="Pause").click()
        await send(page, AT_ONCE, "meanwhile")
        await expect(page.locator("#link")).to_have_text("Paused, 1 change waits")
        await expect(page.locator("#balance")).to_have_text("996.80")
        await expect(line(page, "meanwhile")).to_have_count(0)
        await page.get_by_role("button", name="Resume").click()
        await expect(line(page, "meanwhile")).to_contain_text("Delivered")
        await expect(page.get_by_role("button", name="Pause")).to_be_visible()

    browse(tmp_path, story)


def test_page_can_be_used_by_labels_and_keyboard(tmp_path: Path) -> None:
    """A screen reader finds every part by name, hears the list politely, and a hint fills the form."""

    async def story(house: House, page: Page) -> None:
        table = page.get_by_role("table", name="Texts")
        await send(page, AT_ONCE, "hello")
        await expect(line(page, "hello")).to_contain_text("Delivered")
        heads = ["Time", "Id", "Phone", "Sender", "Text", "Parts", "Cost", "Status"]
        await expect(table.get_by_role("columnheader")).to_have_text(heads)
        await expect(table.locator("tbody")).to_have_attribute("aria-live", "polite")
        for region in ("Send a text", "Texts", "Numbers with a script", "By the API"):
            await expect(page.get_by_role("heading", name=region)).to_be_visible()
        nameless = "input:not([id]), textarea:not([id]), button:empty, img:not([alt]), html:not([lang])"
        await expect(page.locator(nameless)).to_have_count(0)
        await page.get_by_label("Phone").fill("")
        await page.get_by_role("link", name=AT_ONCE).focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_label("Phone")).to_have_value(AT_ONCE)
        await expect(page.get_by_label("Text", exact=True)).to_be_focused()

    browse(tmp_path, story)


def test_page_fits_a_phone(tmp_path: Path) -> None:
    """On a narrow screen the page does not scroll sideways, and the table is still a table to a screen reader."""

    async def story(house: House, page: Page) -> None:
        await page.set_viewport_size({"width": 320, "height": 640})
        await send(page, AT_ONCE, "Оченьдлинноесловобезпробелов" * 4, "SHOP")
        row = line(page, "Оченьдлинное")
        await expect(row).to_contain_text("Delivered")
        await expect(row.get_by_role("cell")).to_have_count(8)
        assert await page.evaluate("document.documentElement.scrollWidth") == 320

    browse(tmp_path, story)


def test_page_follows_a_server_that_comes_back(tmp_path: Path) -> None:
    """When its connection breaks the page says so, connects again and shows what it missed."""

    async def story(house: House, page: Page) -> None:
        await expect(page.locator("#link")).to_have_text("Live")
        (reader,) = house.page.feed._readers
        await reader.aclose()
        await expect(page.locator("#link")).to_have_text("Not connected, trying again…")
        await send(page, AT_ONCE, "while away")
        await expect(line(page, "while away")).to_contain_text("Delivered")
        await expect(page.locator("#link")).to_have_text("Live")

    browse(tmp_path, story)


def test_page_that_nobody_sees_lets_go_of_its_connection(tmp_path: Path) -> None:
    """A browser has six connections to a server: a seventh tab must still load, and a tab in view catches up."""

    async def story(house: House, page: Page) -> None:
        await expect(page.locator("#link")).to_have_text("Live")
        hide = "value => { Object.defineProperty(document, 'hidden', {value, configurable: true});"
        hide += " document.dispatchEvent(new Event('visibilitychange')); }"
        await page.evaluate(hide, True)
        while house.page.feed.readers:
            await asyncio.sleep(0.02)
        await send(page, AT_ONCE, "unseen")
        await expect(page.get_by_role("status")).to_contain_text("is accepted")
        await expect(line(page, "unseen")).to_have_count(0)
        await page.evaluate(hide, False)
        await expect(line(page, "unseen")).to_contain_text("Delivered")

    browse(tmp_path, story)


def test_page_works_without_scripts(tmp_path: Path) -> None:
    """With scripts off the form posts, says what became of it, and the list is read by reloading."""

    async def story(house: House, page: Page) -> None:
        await expect(page.get_by_role("button", name="Pause")).to_have_count(0)
        await page.get_by_role("link", name=AT_ONCE).click()
        await expect(page.get_by_label("Phone")).to_have_value(AT_ONCE)
        await page.get_by_label("Text", exact=True).fill("Привет\nбез скриптов")
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_text("Text 1 is accepted.")).to_be_visible()
        await expect(line(page, "Привет без скриптов")).to_have_count(1)
        message = next(iter(house.desk.messages.values()))
        assert message.text == "Привет\nбез скриптов"
        while message.status < 1:
            await asyncio.sleep(0.02)
        await page.get_by_role("link", name="Reload").click()
        await expect(line(page, "Привет")).to_contain_text("Delivered")

    browse(tmp_path, story, script=False)
