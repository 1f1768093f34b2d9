#!/bin/sh
# The Debian packages that tests need beside Python's: silent and fast when they are there. Called by ./dev test.
#   chromium  the pages in a real browser (tests/web)
#   strace    what the program asks of the kernel, such as that texts are synced before they are answered (tests/flows)
#   sipp      calls from a program that knows SIP (tests/gateways)
#   gcc       and Python's headers, only with --compiled
set -eu

missing=""
if [ "${1:-}" = --compiled ]; then
    command -v "${CC:-cc}" >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
    headers=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("include"))')
    [ -e "$headers/Python.h" ] || missing="$missing python3-dev"
fi
command -v chromium >/dev/null 2>&1 || [ -x /usr/bin/chromium ] || missing="$missing chromium"
command -v strace >/dev/null 2>&1 || missing="$missing strace"
command -v sipp >/dev/null 2>&1 || missing="$missing sip-tester"
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "tests need these programs, install them by your system's means:$missing" >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "tests need these packages, install them once:  sudo apt-get install --no-install-recommends$missing" >&2
    exit 1
fi

echo "tests: installing$missing, a minute the first time" >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086 # a list of names
install() { apt-get install -q -y --no-install-recommends $missing >"$log" 2>&1; }
# Package lists may be absent (a fresh container) or old.
install || { apt-get update -q >>"$log" 2>&1 && install; } || {
    cat "$log" >&2
    echo "tests: could not install$missing" >&2
    exit 1
}
