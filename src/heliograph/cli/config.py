"""``heliograph config``: a documented sample of the configuration, and a check of one."""

from pathlib import Path

import click

from heliograph import config as configuration
from heliograph.cli.output import tell, tell_json
from heliograph.cli.session import Failure


@click.group()
def config() -> None:
    """The configuration file."""


@config.command()
def sample() -> None:
    """Print a file with every setting, its help and its default.

    \b
    heliograph config sample > heliograph.toml
    """
    click.echo(configuration.sample(), nl=False)


@config.command()
@click.argument("file", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print what holds, as JSON.")
def check(file: str | None, as_json: bool) -> None:
    """Read a file, and the environment over it, as the server would.

    \b
    heliograph config check heliograph.toml
    """
    path = configuration.find_file(file)
    try:
        found = configuration.check(path)
    except configuration.ConfigError as error:
        raise Failure(str(error)) from None
    if as_json:
        tell_json(configuration.mask(found))
    else:
        tell(
            f"{path or Path('the defaults')}: good. The data is in {found.data}, HTTP is on {found.http.listen or '-'}."
        )
