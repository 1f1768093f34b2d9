# foreign: name = "kannel"
# foreign: what = "the SMS gateway Kannel, SMPP: sendsms, dlr-url"
# foreign: needs = ["bearerbox", "smsbox"]
# foreign: debian = ["kannel"]
# foreign: server = { HELIOGRAPH_SMPP_LISTEN = "127.0.0.1:25264" }
"""Kannel with Heliograph as its SMSC: a long text by its sendsms address, and what it tells the address of reports."""

import contextlib
import http.server
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

SMPP_PORT = 25264
TEXT = "Ваш заказ 1512 собран и ждёт вас по адресу: Тверская улица, дом 7, с 9 до 21 часа. " * 2
START_S, END_S, REPORT_S = (
    12.0,
    5.0,
    15.0,
)  # all together shorter than the 90 s of the runner, which would leave the boxes
DELIVERED, ACCEPTED = 1, 8
url, login, password, _, phone = sys.argv[1:6]
reports = queue.Queue()
CONFIGURATION = """
group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = secret
smsbox-port = {boxes}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
dlr-storage = internal
store-type = file
store-location = {place}/store
log-file = {place}/bearerbox.log
log-level = 0

group = smsc
smsc = smpp
smsc-id = heliograph
host = 127.0.0.1
port = {smpp}
transceiver-mode = true
smsc-username = {login}
smsc-password = {password}
system-type = ""
interface-version = 34
address-range = ""
source-addr-ton = 5
source-addr-npi = 0
dest-addr-ton = 1
dest-addr-npi = 1
my-number = DEMO

group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = {boxes}
sendsms-port = {sending}
sendsms-interface = 127.0.0.1
global-sender = DEMO
log-file = {place}/smsbox.log
log-level = 0

group = sendsms-user
username = shop
password = shop
default-sender = DEMO
concatenation = true
max-messages = 10

group = sms-service
keyword = default
max-messages = 0
text = ""
"""


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes Kannel's reports."""

    def do_GET(self):
        """One report, in the query."""
        reports.put(dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Silent."""


def say(operation, ok, detail):
    """A line for the runner."""
    print(f"{operation}\t{'ok' if ok else 'differs'}\t{' '.join(str(detail).split())[:200]}", flush=True)


def find_ports(count):
    """Free ports, all different."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def fetch(address, **query):
    """The answer to a GET, whatever its status; empty while nobody listens."""
    try:
        with urllib.request.urlopen(f"{address}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.read().decode()
    except OSError:
        return ""


def wait_for(word, address, **query):
    """The answer as soon as it has a word in it, or the last one."""
    until = time.monotonic() + START_S
    while word not in (answer := fetch(address, **query)) and time.monotonic() < until:
        time.sleep(0.1)
    return answer


@contextlib.contextmanager
def box(name, place):
    """One of Kannel's programs, ended with the block."""
    command = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    with (place / f"{name}.out").open("wb") as out:
        process = subprocess.Popen(
            [command, str(place / "kannel.conf")], stdout=out, stderr=out, stdin=subprocess.DEVNULL
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def collect(wanted):
    """Reports until one has the wanted kind."""
    seen = []
    until = time.monotonic() + REPORT_S
    while not any(report["kind"] == str(wanted) for report in seen):
        try:
            seen.append(reports.get(timeout=max(0.0, until - time.monotonic())))
        except queue.Empty:
            break
    return seen


def send_and_wait(sending, receiving):
    """A long text through Kannel, its reports, and what Heliograph has of it."""
    report = f"http://127.0.0.1:{receiving}/report?kind=%d&id=%F&to=%p&answer=%A"
    message = {"to": phone, "text": TEXT, "charset": "UTF-8", "coding": 2, "dlr-mask": 31, "dlr-url": report}
    told = fetch(f"http://127.0.0.1:{sending}/cgi-bin/sendsms", username="shop", password="shop", **message)
    say("sendsms", told.startswith("0: Accepted"), told)
    seen = collect(DELIVERED)
    kinds = [int(report["kind"]) for report in seen]
    say("report of the answer", ACCEPTED in kinds, seen)
    say("report of the delivery", kinds[-1:] == [DELIVERED] and "stat:DELIVRD" in seen[-1].get("answer", ""), seen[-1:])
    query = {"login": login, "psw": password, "phone": phone, "all": 1, "fmt": 3, "charset": "utf-8"}
    stored = json.loads(fetch(f"{url}/sys/status.php", id=seen[-1].get("id", "") if seen else "", **query))
    say("the whole text", (stored.get("message"), stored.get("status")) == (TEXT, 1), stored)


def main():
    """Both boxes, bound to the server."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with contextlib.ExitStack() as held:
        place = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="heliograph-kannel-")))
        receiver = held.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver))
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        held.callback(receiver.shutdown)
        admin, boxes, sending = find_ports(3)
        said = {"admin": admin, "boxes": boxes, "sending": sending, "smpp": SMPP_PORT, "place": place}
        conf = CONFIGURATION.format(login=login, password=password, **said)
        (place / "kannel.conf").write_text(conf, "utf-8")
        (place / "kannel.conf").chmod(0o600)
        held.enter_context(box("bearerbox", place))
        status = f"http://127.0.0.1:{admin}/status.txt"
        bound = wait_for("(online", status, password="secret")
        say("bind", "heliograph" in bound and "(online" in bound, bound[-200:])
        held.enter_context(box("smsbox", place))
        joined = wait_for("smsbox:", status, password="secret")
        wait_for(" ", f"http://127.0.0.1:{sending}/")
        say("smsbox", "smsbox:" in joined, "joined")
        send_and_wait(sending, receiver.server_address[1])


main()
