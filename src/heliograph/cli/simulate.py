"""``heliograph simulate``: a carrier to test with, and texts of subscribers through it."""

import asyncio
import signal
from dataclasses import replace

import click

from heliograph.cli.output import tell, tell_json
from heliograph.cli.session import Failure
from heliograph.config import split_listen
from heliograph.simulator import control as orders
from heliograph.simulator.behaviour import PRESETS, Profile, profile_named, scripted_table
from heliograph.simulator.server import Simulator

CONTROL = f"127.0.0.1:{orders.PORT}"


@click.group(invoke_without_command=True)
@click.option("--listen", default="127.0.0.1:2775", show_default=True, help="Where SMPP clients bind.")
@click.option(
    "--profile", type=click.Choice(list(PRESETS)), default="healthy", show_default=True, help="How it behaves."
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed, the same behaviour.")
@click.option("--rate", type=click.IntRange(min=0), help="Submits a second it takes; 0 without limit.")
@click.option("--login", help="The only system_id it lets in; without it, everybody.")
@click.option("--password", default="", help="Its password.")
@click.option(
    "--control", metavar="HOST:PORT", default=CONTROL, show_default=True, help="Where it takes orders; loopback only."
)
@click.pass_context
def simulate(
    ctx: click.Context,
    listen: str,
    profile: str,
    seed: int,
    rate: int | None,
    login: str | None,
    password: str,
    control: str,
) -> None:
    """Run a carrier that answers like a real one, until Ctrl+C. Some numbers have their own fate: simulate numbers

    \b
    heliograph simulate --profile flaky --rate 100
    heliograph simulate inbound --from 79161234567 --to 74950000000 "STOP"
    """
    if ctx.invoked_subcommand is not None:
        return
    try:
        where, desk = split_listen(listen), split_listen(control)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    chosen = replace(profile_named(profile), seed=seed)
    if rate is not None:
        chosen = replace(chosen, throughput=rate)
    accounts = {login: password} if login else None
    try:
        asyncio.run(_serve(chosen, accounts, (where[0] or "0.0.0.0", where[1]), desk))  # noqa: S104 - ":2775" asks for it
    except (OSError, ValueError) as error:
        raise Failure(f"cannot listen on {listen} and {control}: {error}") from None


@simulate.command()
@click.option("--from", "from_", required=True, help="The subscriber's number.")
@click.option("--to", required=True, help="The number he writes to.")
@click.option("--control", metavar="HOST:PORT", default=CONTROL, show_default=True, help="Where it takes orders.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@click.option("--order", default="", help="Parts of a long text, as they come: 2,1 (out of order), 1,3 (one is lost).")
@click.option("--reference", type=click.IntRange(0, 255), default=0, help="That of a long text; 0: the next one.")
@click.argument("text")
def inbound(from_: str, to: str, control: str, as_json: bool, order: str, reference: int, text: str) -> None:
    """Have the running simulator deliver a subscriber's text.

    \b
    heliograph simulate inbound --from 79161234567 --to 74950000000 "STOP"
    heliograph simulate inbound --from 79161234567 --to 7000 --order 2,1,2 "$(cat long.txt)"
    """
    try:
        numbers = [int(number) for number in order.split(",") if number.strip()]
    except ValueError:
        raise click.UsageError("--order holds numbers of parts: 2,1,3") from None
    try:
        parts = asyncio.run(orders.inject(*_split(control), from_, to, text, numbers, reference))
    except orders.ControlError as error:
        raise Failure(str(error)) from None
    if as_json:
        tell_json({"parts": parts})
    else:
        tell(f"Delivered and acknowledged, {parts} {'part' if parts == 1 else 'parts'}.")


@simulate.command()
@click.option("--control", metavar="HOST:PORT", default=CONTROL, show_default=True, help="Where it takes orders.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def stats(control: str, as_json: bool) -> None:
    """The counters of the running simulator.

    \b
    heliograph simulate stats
    """
    from heliograph.cli.output import tell_table

    try:
        counts = asyncio.run(orders.ask_stats(*_split(control)))
    except orders.ControlError as error:
        raise Failure(str(error)) from None
    if as_json:
        tell_json(counts)
    else:
        tell_table(("what", "count>"), counts.items(), "")


@simulate.command()
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def numbers(as_json: bool) -> None:
    """The numbers whose fate is written down, whatever the profile.

    \b
    heliograph simulate numbers
    """
    from heliograph.cli.output import tell_table

    if as_json:
        tell_json(dict(scripted_table()))
    else:
        tell_table(("number", "what happens"), scripted_table(), "")


def _split(address: str) -> tuple[str, int]:
    try:
        return split_listen(address)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


async def _serve(
    profile: Profile, accounts: dict[str, str] | None, where: tuple[str, int], desk: tuple[str, int]
) -> None:
    simulator = Simulator(profile, accounts)
    host, port = await simulator.start(*where)
    taking = await orders.serve(simulator, *desk)
    told = taking.sockets[0].getsockname()
    tell(f"A simulated carrier ({profile.name}) listens on {host}:{port}, for orders on {told[0]}:{told[1]}.")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    try:
        await stop.wait()
    finally:
        taking.close()
        await simulator.stop()
        tell(", ".join(f"{name} {count}" for name, count in simulator.stats().items()))
