"""``heliograph build-export``: the hidden process that writes one export (services/building.py starts it)."""

import asyncio
import os
import sys
import threading

import click
import msgspec

from heliograph.core.exports import Place
from heliograph.services.excerpts import LAST, Job, News, Tell, build, explain
from heliograph.store.database import StoreError


@click.command("build-export", hidden=True)
def build_export() -> None:
    """Read what to build as JSON from standard input, and tell how it goes on standard output. It ends with the input."""
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=Job)
    threading.Thread(target=_end_with_input, daemon=True).start()
    _step_back(job.nice)
    told = [job.place]

    def tell(news: News) -> None:
        told.append(news.place)
        del told[:-1]
        sys.stdout.buffer.write(msgspec.json.encode(news) + b"\n")
        sys.stdout.buffer.flush()

    try:
        tell(News(place=asyncio.run(_run(job, tell)), done=True))
    except OSError as error:
        _fail(tell, told[-1], explain(error), isinstance(error, ConnectionError))
    except StoreError as error:
        _fail(tell, told[-1], str(error), True)
    except Exception as error:
        # The words of an exception may hold what was being written, so only its kind and place are told.
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else ""  # noqa: PTH119
        _fail(tell, told[-1], f"internal failure, {type(error).__name__} at {where}", False)


async def _run(job: Job, tell: Tell) -> Place:
    from heliograph.store.opening import open_database

    db = await open_database(job.database)
    try:
        return await build(db, job, tell)
    finally:
        await db.close()


def _fail(tell: Tell, place: Place, complaint: str, again: bool) -> None:
    tell(News(place=place, failed=complaint, again=again))
    sys.exit(1)


def _step_back(nice: int) -> None:
    """Leave the processor to others. At 19 that is more than a low share of it: whoever else wants it has it at once.

    With the share alone a server at full load on two cores took a fifth to a third fewer texts a second beside an export;
    so it is some hundredths, hard to tell from nothing.
    """
    os.nice(nice)
    if nice >= LAST and hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _end_with_input() -> None:
    """The server holds our input open as long as it lives."""
    # Not through sys.stdin, whose lock must be free when the interpreter ends.
    while os.read(0, 4096):
        pass
    os._exit(1)
