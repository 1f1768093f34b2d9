"""The heliograph command: each subcommand is imported when it is called, so that ``serve`` starts at once (design section 11)."""

import importlib

import click

# name: (module of heliograph.cli, object in it, one line of help)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "serve": ("serve", "serve", "Run Heliograph; --demo needs nothing else."),
    "send": ("send", "send", "Send a text over HTTP, to this server or another one."),
    "account": ("account", "account", "Accounts: create, settings, money, passwords."),
    "key": ("key", "key", "API keys of accounts."),
    "sender": ("sender", "sender", "Sender names that accounts may use."),
    "blacklist": ("blacklist", "blacklist", "Numbers that must not be written to."),
    "tariff": ("tariff", "tariff", "Price lists: zones, operators, refunds."),
    "rate": ("rate", "rate", "Rates of currencies."),
    "carrier": ("carrier", "carrier", "Carriers: SMPP connections and their settings."),
    "route": ("route", "route", "Which carrier takes which messages."),
    "ranges": ("ranges", "ranges", "Number ranges of operators and regions."),
    "ledger": ("ledger", "ledger", "Prove that the money is right."),
    "export": ("export", "export", "The messages of an account in a file: CSV or a spreadsheet."),
    "task": ("task", "task", "Deferred tasks: exports that the server writes."),
    "queue": ("queue", "queue", "What waits, for how long, and why."),
    "link": ("link", "link", "Short links, their clicks, and whose they are."),
    "number": ("number", "number", "Dedicated numbers: the stock, and who rents them."),
    "inbound": ("inbound", "inbound", "Texts that subscribers have sent."),
    "rule": ("rule", "rule", "What happens with incoming texts, by number and first word."),
    "callbacks": ("callbacks", "callbacks", "What customers are still to be told; telling it again."),
    "trace": ("trace", "trace", "The whole story of a message."),
    "drill": ("drill", "drill", "Kill the server under load and count what is lost."),
    "simulate": ("simulate", "simulate", "A carrier to test with."),
    "backup": ("backup", "backup", "Copy the store while it works."),
    "restore": ("backup", "restore", "Put a backup in the place of the store."),
    "config": ("config", "config", "The configuration file."),
    "reference": ("reference", "reference", "Write the reference pages."),
}

# What the program itself calls, in a process of its own.
HIDDEN: dict[str, tuple[str, str]] = {"build-export": ("build_export", "build_export")}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; None for an unknown name."""
        found = HIDDEN.get(cmd_name) or COMMANDS.get(cmd_name)
        if found is None:
            return None
        command: click.Command = getattr(importlib.import_module(f"heliograph.cli.{found[0]}"), found[1])
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As in click, but an unknown name is told the nearest one."""
        if args and args[0] not in COMMANDS and args[0] not in HIDDEN and not args[0].startswith("-"):
            from heliograph.core.settings import suggest

            raise click.UsageError(f"there is no command {args[0]!r}; {suggest(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


def _tell_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    from importlib import metadata

    try:
        click.echo(f"heliograph {metadata.version('heliograph')}")
    except metadata.PackageNotFoundError:
        click.echo("heliograph, from a source tree")
    ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_tell_version, help="Show the version."
)
def heliograph() -> None:
    """Heliograph: a self-hosted SMS centre whose API is that of the SMSC service.

    \b
    Five minutes:  heliograph serve --demo
    """


def main() -> None:
    """Run the command line; exit code 2 for wrong usage, 1 for what failed."""
    heliograph(prog_name="heliograph")
