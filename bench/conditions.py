"""Under which conditions a server is measured, and the small C parts some of them need (ld.so(8), LD_PRELOAD)."""

import os
import shutil
import struct
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

NATIVE = Path(__file__).resolve().parent / "native"
COUNTERS = struct.Struct("4Q")  # as in native/lock_sampler.c


@dataclass(frozen=True)
class Conditions:
    """What is otherwise than in the plain case; the plain case is the defaults."""

    accounts: int = 0  # so many accounts, each with a login and password, take turns; 0: one, by its API key
    tls: bool = False  # requests come over TLS
    sync_ms: float = 0.0  # every fsync of the server, or of PostgreSQL, takes so much more
    lock: bool = False  # sample who holds the interpreter's lock
    carrier: Mapping[str, str] = field(default_factory=dict)  # settings of the carrier

    def describe(self) -> dict[str, object]:
        """Only what is not plain."""
        said: dict[str, object] = {}
        if self.accounts:
            said["accounts"] = self.accounts
        if self.tls:
            said["TLS"] = "yes"
        if self.sync_ms:
            said["each fsync"] = f"{self.sync_ms:g} ms more"
        if self.lock:
            said["lock"] = "sampled"
        return said | {f"carrier {name}": value for name, value in self.carrier.items()}


class Shims:
    """The C parts, compiled once into a folder that every account of the machine may read; gone with ``close``."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._made: dict[str, Path] = {}

    def compile(self, name: str) -> Path:
        """The library of native/NAME.c; RuntimeError when there is no compiler or it cannot."""
        if name in self._made:
            return self._made[name]
        compiler = shutil.which(os.environ.get("CC", "gcc")) or shutil.which("cc")
        if compiler is None:
            raise RuntimeError(f"{name} needs a C compiler (gcc), and there is none here")
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="heliograph-bench-shims-"))
            self._folder.chmod(0o755)  # PostgreSQL runs under another account when we are root
        library = self._folder / f"{name}.so"
        include = f"-I{sysconfig.get_path('include')}"
        command = [compiler, "-O2", "-fno-strict-aliasing", "-shared", "-fPIC", include, str(NATIVE / f"{name}.c")]
        done = subprocess.run([*command, "-o", str(library), "-ldl", "-lpthread"], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"cannot compile {name}: {done.stderr[-600:]}")
        library.chmod(0o755)
        self._made[name] = library
        return library

    def close(self) -> None:
        """Remove them."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


SHIMS = Shims()


def slow_sync(sync_ms: float) -> dict[str, str]:
    """The environment in which every fsync takes so much more; empty for 0."""
    if not sync_ms:
        return {}
    return {"LD_PRELOAD": str(SHIMS.compile("slow_sync")), "BENCH_SYNC_US": str(int(sync_ms * 1000))}


def sample_lock(file: Path) -> dict[str, str]:
    """The environment in which a server counts into ``file`` how often its interpreter's lock is held."""
    file.write_bytes(bytes(COUNTERS.size))
    return {"LD_PRELOAD": str(SHIMS.compile("lock_sampler")), "BENCH_LOCK_FILE": str(file)}


def join_preloads(*environments: Mapping[str, str]) -> dict[str, str]:
    """Several environments as one: all their libraries are preloaded."""
    joined: dict[str, str] = {}
    for one in environments:
        libraries = [each["LD_PRELOAD"] for each in (joined, one) if "LD_PRELOAD" in each]
        joined = joined | dict(one)
        if libraries:
            joined["LD_PRELOAD"] = ":".join(libraries)
    return joined


@contextmanager
def environ(extra: Mapping[str, str]) -> Iterator[None]:
    """This process's own environment with more in it, for what is started meanwhile."""
    before = dict(os.environ)
    os.environ.update(extra)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def read_lock(file: Path) -> tuple[int, int, int, int]:
    """Looks so far; of these: lock held; held by the first thread; held by another."""
    looks, held, first, other = COUNTERS.unpack(file.read_bytes())
    return looks, held, first, other
