"""Reading back on the whole program: the history of what was sent, and whose the answers are (seed 000)."""

import asyncio
from pathlib import Path
from typing import Any

from tests.flows.rig import Carrier, Program, prepare, reached, until

from heliograph.simulator.behaviour import Profile

PHONES = ("79161234567", "79161234568", "79161234569")


def test_history_and_answers_are_read_back(backend_url: str, tmp_path: Path) -> None:
    """What goes out is found by page and by number, an answer by who has written; a restart changes nothing."""

    async def story() -> None:
        async with Carrier(Profile(delay_s=(0.02, 0.02))) as carrier:
            await prepare(backend_url, tmp_path / "data", carrier.port)
            async with Program(tmp_path, database=backend_url) as program:

                async def read(**more: object) -> Any:
                    return (await program.ask("get", get_messages=1, fmt=3, charset="utf-8", **more)).json

                async def answers(**more: object) -> Any:
                    return (await program.ask("get", get_answers=1, fmt=3, charset="utf-8", **more)).json

                assert (await read())["error_code"] == 3
                for index, phone in enumerate(PHONES):
                    await program.send(phones=phone, mes=f"Текст {index}")
                await until(lambda: len(carrier.taken) == 3)
                for index in range(3):
                    await reached(backend_url, f"Текст {index}", 1)
                assert [row["message"] for row in await read(cnt=10)] == ["Текст 2", "Текст 1", "Текст 0"]
                first = await read(cnt=2)
                second = await read(cnt=2, prev_id=first[-1]["int_id"])
                assert [row["phone"] for row in first + second] == [*PHONES[::-1]]
                assert [row["message"] for row in await read(phone="8 916 123-45-68")] == ["Текст 1"]
                assert await program.ask("status", phone=PHONES[1], id=2, fmt=0, **{"del": 1})
                assert (await read(phone=PHONES[1]))["error_code"] == 3

                await carrier.simulator.inject(PHONES[0], "7000", "Да, приду")
                await carrier.simulator.inject("79990000000", "7000", "Кто это?")
                await carrier.simulator.inject(PHONES[2], "7001", "Стоп")
                found = await answers()
                assert [(row["id"], row["message"], row["to_phone"]) for row in found] == [
                    (1, "Да, приду", "7000"),
                    (3, "Стоп", "7001"),
                ]
                assert [row["id"] for row in await answers(after_id=1)] == [3]
                assert [row["id"] for row in await answers(to_phone="7000", hour=2)] == [1]
                assert await program.stop() == 0
                await program.start()
                assert [row["message"] for row in await read(cnt=9)] == ["Текст 2", "Текст 0"]
                assert await answers(cnt=5) == found

    asyncio.run(story())
