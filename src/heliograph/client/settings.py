"""Where a client finds its server and who it is when the program does not say: the environment, then a file of the user.

HELIOGRAPH_CLIENT_URL (several with commas: further addresses of the service), _LOGIN, _PASSWORD, _KEY, _SENDER, over
url, login, password, key and sender of ~/.config/heliograph/client.toml, or of the file that HELIOGRAPH_CLIENT_FILE names.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

PREFIX = "HELIOGRAPH_CLIENT_"
FILE_VARIABLE = f"{PREFIX}FILE"


class SettingsError(Exception):
    """The settings cannot be used; the message says which and why, without what is secret."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was found; empty where nothing was said."""

    url: str = ""
    login: str = ""
    password: str = ""
    key: str = ""
    sender: str = ""

    @property
    def urls(self) -> tuple[str, ...]:
        """The address, and further ones of the same service."""
        return tuple(part.strip() for part in self.url.split(",") if part.strip())

    @property
    def is_empty(self) -> bool:
        """Whether neither a server nor a login was found."""
        return not (self.url or self.login or self.password or self.key)


def find(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this user. SettingsError."""
    given, path = True, environ.get(FILE_VARIABLE, "")
    if not path:
        home = environ.get("XDG_CONFIG_HOME") or (f"{environ['HOME']}/.config" if environ.get("HOME") else "")
        given, path = False, f"{home}/heliograph/client.toml" if home else ""
    found = _read_file(Path(path), given) if path else Settings()
    said = {name: text for name in Settings.__struct_fields__ if (text := environ.get(PREFIX + name.upper()))}
    if said.get("key"):  # the environment's key goes over the file's login, and the other way round
        found = msgspec.structs.replace(found, login="", password="")
    elif said.get("login") or said.get("password"):
        found = msgspec.structs.replace(found, key="")
    return msgspec.structs.replace(found, **said)


def _read_file(path: Path, given: bool) -> Settings:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            settings = msgspec.convert(tomllib.load(file), Settings)
    except FileNotFoundError:
        if given:
            raise SettingsError(f"{FILE_VARIABLE}: there is no {path}") from None
        return Settings()
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: {error}") from None
    if (settings.password or settings.key) and mode & 0o077:
        raise SettingsError(f"{path} holds a password that others can read: chmod 600 {path}")
    return settings
