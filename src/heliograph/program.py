"""The program `heliograph serve`: builds an installation, opens its doors and runs it until it is told to stop (design section 2)."""

import asyncio
import gc
import shutil
import signal
import sys
import tempfile

import msgspec

from heliograph import demo, logs
from heliograph.app import Heliograph, build, clock_ms
from heliograph.config import Config, ConfigError, Options, settle
from heliograph.core.reasons import Refused
from heliograph.gateways.smtp import ANY
from heliograph.store.secrets import Secrets

LOOPBACK = ("127.0.0.0/8", "::1/128")


def serve(options: Options) -> None:
    """Run until told to stop. ConfigError or StoreError when it cannot start."""
    import uvloop

    scratch = tempfile.mkdtemp(prefix="heliograph-demo-") if options.demo and not options.data else None
    try:
        if scratch is not None:
            options = msgspec.structs.replace(options, data=scratch)
        config = settle(options)
        if options.demo:
            said = msgspec.structs.replace(config.callbacks, allow_private=(*config.callbacks.allow_private, *LOOPBACK))
            smtp = msgspec.structs.replace(config.smtp, domains=config.smtp.domains or (ANY,))
            config = msgspec.structs.replace(config, callbacks=said, smtp=smtp)
        if scratch is not None:
            options = msgspec.structs.replace(options, data=None)
        logs.set_up(config.log.level, config.log.json)
        uvloop.run(_serve(config, options))
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


async def _serve(config: Config, options: Options) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    logs.watch(loop)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    carrier = demo.Carrier() if options.demo else None
    if carrier is not None:
        await carrier.start(config.demo.carrier_listen)
    try:
        heliograph = await build(config)
        try:
            if carrier is not None:
                secrets = Secrets.open(config.data)
                try:
                    await demo.prepare(heliograph.db, secrets, config.demo, carrier.address, clock_ms())
                except Refused as refused:
                    raise ConfigError(f"[demo]: {refused}") from None
            await heliograph.open()
            await heliograph.listen(options.demo and options.http is None, options.demo)
        except BaseException:
            await heliograph.db.close()
            raise
        _tell(heliograph)
        if carrier is not None:
            if not config.links.base:
                host, port = heliograph.addresses["http"]
                heliograph.set_links_base(f"http://{demo.reach(host)}:{port}/r/")
            demo.open_page(heliograph, carrier, clock_ms, kept=options.data is not None)
        calm_collector()
        await heliograph.run(stop)
    finally:
        if carrier is not None:
            await carrier.stop()


def calm_collector() -> None:
    """Keep the garbage collector from walking over what lives long: with the defaults its full passes held the loop
    for 50 ms and more under load, which a single code beside it felt (docs/performance.md)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def _tell(heliograph: Heliograph) -> None:
    """Print where everything is."""
    for name, (host, port) in heliograph.addresses.items():
        what = "shows its figures on" if name == "metrics" else "listens on"
        scheme, path = ("http", "metrics") if name == "metrics" else (name, "")
        sys.stdout.write(f"Heliograph {what} {scheme}://{host}:{port}/{path}\n")
    for transport, host, port in heliograph.sip.addresses if heliograph.sip is not None else ():
        sys.stdout.write(f"Heliograph listens on sip:{host}:{port};transport={transport}\n")
    sys.stdout.flush()
