"""Compiles the hot modules with mypyc into a copy of the package, build/native/heliograph (docs/adr/0008).

    .venv/bin/python native/compile.py            # compile, when the copy is not of these sources
    .venv/bin/python native/compile.py --path     # where the code to run is: the copy if it is of these sources, or src

The copy holds everything, so that putting build/native in front of src on the path is all that is needed to run it, and
leaving it out is all that is needed to run plain Python. It is marked with a digest of the sources: one that is out of
date is never used.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "src" / "heliograph"
BUILT = ROOT / "build" / "native"
MARK = "compiled-of"

# What a text passes through. Modules that declare msgspec structs stay Python: the compiler knows no such classes.
MODULES = [
    "wire/gsm/alphabet",
    "wire/gsm/segments",
    "wire/gsm/translit",
    "wire/gsm/udh",
    "wire/smpp/codec",
    "wire/smpp/endpoints",
    "wire/smpp/hot",
    "wire/smpp/pdus",
    "wire/smpp/link",
    "wire/smpp/session",
    "wire/smpp/statuses",
    "wire/smpp/tables",
    "core/deliveries",
    "core/message",
    "core/limits",
    "core/lists",
    "core/money",
    "core/prefixes",
    "core/numbers",
    "core/ranges",
    "core/routing",
    "core/references",
    "core/status",
    "core/texts",
    "core/zones",
    "store/queries",
    "store/sqlite_rows",
    "store/sqlite_session",
    "store/sqlite_writer",
    "services/attempts",
    "services/batch",
    "services/births",
    "services/callbacks",
    "services/credentials",
    "services/deciding",
    "services/deliveries",
    "services/desk",
    "services/dispatch",
    "services/entries",
    "services/guard",
    "services/hashes",
    "services/orphans",
    "services/pieces",
    "services/purses",
    "services/quotas",
    "services/receipts",
    "services/staging",
    "services/submit",
    "api/app",
    "api/call",
    "api/forms",
    "api/params",
    "api/refusals",
    "api/render",
    "api/submissions",
    "api/operations/send",
    "gateways/http",
    "gateways/http_answer",
    "gateways/http_connection",
    "gateways/http_reader",
    "gateways/proxies",
    "gateways/smpp",
    "gateways/smpp_customers",
    "gateways/smpp_outbox",
    "gateways/smpp_receipts",
    "gateways/smpp_submits",
    "gateways/smpp_texts",
    "callbacks/addresses",
    "callbacks/answers",
    "callbacks/backlog",
    "callbacks/client",
    "callbacks/dialer",
    "callbacks/held",
    "callbacks/handlers",
    "callbacks/payloads",
    "callbacks/plans",
    "callbacks/reader",
    "callbacks/sender",
    "callbacks/stalled",
    "callbacks/targets",
    "delivery/carriers/contract",
    "delivery/carriers/smpp/answers",
    "delivery/carriers/smpp/carrier",
    "delivery/carriers/smpp/connection",
    "delivery/carriers/smpp/inbound",
    "delivery/carriers/smpp/incoming",
    "delivery/carriers/smpp/pacing",
    "delivery/carriers/smpp/parts",
    "delivery/carriers/smpp/receipts",
    "delivery/detours",
    "delivery/dispatcher",
    "delivery/lanes",
    "delivery/line",
    "web/buckets",
    "web/tally",
]


def main() -> int:
    """The exit code: 0 when the copy is of these sources (now)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", action="store_true", help="only print where the code to run is")
    options = parser.parse_args()
    if options.path:
        sys.stdout.write(f"{code()}\n")
        return 0
    wanted = digest()
    if is_of(wanted):
        return 0
    began = time.monotonic()
    sys.stderr.write(f"compiling {len(MODULES)} modules, a minute or two ...\n")
    try:
        build(wanted)
    except (RuntimeError, SystemExit, OSError) as error:
        sys.stderr.write(f"not compiled: {error}\n")
        return 1
    sys.stderr.write(f"compiled in {time.monotonic() - began:.0f} s\n")
    return 0


def code() -> Path:
    """The folder to put on the path: the compiled copy, or the sources when it is out of date or not wanted."""
    return BUILT if not os.environ.get("HELIOGRAPH_PLAIN") and is_of(digest()) else SOURCES.parent


def is_of(wanted: str) -> bool:
    """Whether the copy was compiled from sources with this digest."""
    mark = BUILT / MARK
    return mark.exists() and mark.read_text() == wanted


def digest() -> str:
    """What the copy depends on: sources, this script, the interpreter."""
    found = hashlib.sha256(f"{sys.version}{sys.implementation.cache_tag}".encode())
    for path in [Path(__file__), *sorted(SOURCES.rglob("*"))]:
        if path.is_file() and path.suffix != ".pyc":
            found.update(f"\0{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return found.hexdigest()


def build(wanted: str) -> None:
    """Makes the copy beside the present one, and puts it in its place when it is whole."""
    fresh = BUILT.with_name(f"native-{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        shutil.copytree(SOURCES, fresh / "heliograph", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        ran = subprocess.run(  # noqa: S603 - ourselves
            [sys.executable, __file__, "--inside"], cwd=fresh, capture_output=True, text=True, check=False
        )
        if ran.returncode:
            raise RuntimeError((ran.stdout + ran.stderr)[-4000:])
        shutil.rmtree(fresh / "build", ignore_errors=True)
        shutil.rmtree(fresh / ".mypy_cache", ignore_errors=True)
        (fresh / MARK).write_text(wanted)
        shutil.rmtree(BUILT, ignore_errors=True)
        fresh.rename(BUILT)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def compile_here() -> None:
    """In the copy: Python to C to extension modules beside the files they came from."""
    from distutils.ccompiler import CCompiler  # as setuptools has it

    from mypyc.build import mypycify
    from setuptools import setup

    def compile_side_by_side(self: Any, sources: list[str], output_dir: str | None = None, **kept: Any) -> list[str]:
        # The files of one extension one after the other would leave all but one core idle.
        _, objects, extra, pp, todo = self._setup_compile(
            output_dir, kept.get("macros"), kept.get("include_dirs"), sources, kept.get("depends"),
            kept.get("extra_postargs"),
        )  # fmt: skip
        options = self._get_cc_args(pp, kept.get("debug"), kept.get("extra_preargs"))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            jobs = [pool.submit(self._compile, each, *todo[each], options, list(extra or []), pp) for each in objects]
            for job in jobs:
                job.result()
        return list(objects)

    CCompiler.compile = compile_side_by_side
    files = [f"heliograph/{name}.py" for name in MODULES]
    options = ["--strict", f"--python-version={sys.version_info[0]}.{sys.version_info[1]}", "--ignore-missing-imports"]
    extensions = mypycify(
        [*options, "--no-warn-unused-ignores", *files], opt_level="2", debug_level="0", multi_file=True,
        group_name="heliograph",
    )  # fmt: skip
    setup(name="heliograph-native", packages=[], ext_modules=extensions, script_args=["-q", "build_ext", "--inplace"])


if __name__ == "__main__":
    if sys.argv[1:] == ["--inside"]:
        compile_here()
    else:
        sys.exit(main())
