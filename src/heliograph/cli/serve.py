"""``heliograph serve``: run the centre. Nothing here may import what only tables and menus need."""

import click

from heliograph.config import ConfigError, Options


@click.command()
@click.option("--demo", is_flag=True, help="Make a demo account and a simulated carrier: nothing else is needed.")
@click.option("--http", metavar="HOST:PORT", help="Where the HTTP door listens.")
@click.option("--smpp", metavar="HOST:PORT", help="Where the SMPP door for customers listens.")
@click.option("--smtp", metavar="HOST:PORT", help="Where the mail door listens: letters that become texts.")
@click.option("--data", metavar="FOLDER", help="The data folder (default: data).")
@click.option("--database", metavar="URL", help="postgresql://… or sqlite:///file instead of the data folder's.")
@click.option("--config", metavar="FILE", help="The configuration (default: heliograph.toml).")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="What is logged.")
def serve(
    demo: bool,
    http: str | None,
    smpp: str | None,
    smtp: str | None,
    data: str | None,
    database: str | None,
    config: str | None,
    log_level: str | None,
) -> None:
    """Run Heliograph until it is told to stop (Ctrl+C, SIGTERM).

    \b
    heliograph serve --demo
    heliograph serve --config /etc/heliograph.toml
    """
    from heliograph import program
    from heliograph.store.database import StoreError

    options = Options(
        demo=demo,
        config=config,
        data=data,
        database=database,
        http=http,
        smpp=smpp,
        smtp=smtp,
        log_level=log_level,
    )
    try:
        program.serve(options)
    except (ConfigError, StoreError) as error:
        raise click.ClickException(str(error)) from None
