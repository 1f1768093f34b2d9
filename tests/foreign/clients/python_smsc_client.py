# foreign: name = "smsc-client"
# foreign: what = "Python package, POST, fmt=0"
# foreign: pip = ["smsc-client==0.0.1"]
"""The Python package smsc-client: a form by POST, fmt=0 cut at ", " and " - " into keyword arguments, an UUID as id."""

import sys
import uuid

from smsc_client import SMSCAPI, SMSCAPIError

url, login, password, _, phone = sys.argv[1:6]


def say(operation: str, ok: bool, detail: object) -> None:
    """A line for the runner."""
    print(f"{operation}\t{'ok' if ok else 'differs'}\t{detail}", flush=True)


api = SMSCAPI(login=login, password=password)
api._domain = f"{url}/"
own = uuid.uuid4()
sent = api.default.send(phones=phone, mes="Sent by a foreign client", id=own, sender="DEMO", time=0)
say("send", sent.OK == "1 SMS" and str(own) == sent.ID, sent)
say(
    "price",
    api.request("send.php", "POST", {"phones": phone, "mes": "x", "cost": 1}).endswith(" (1 SMS)"),
    "by request()",
)
balance = api.request("balance.php", "POST", {"fmt": 0})
say("balance", float(balance) > 0, balance)
status = api.request("status.php", "POST", {"phone": phone, "id": str(own)})
say("status", status.startswith("Status = ") and ", check_time = " in status, status)
try:
    wrong = api.request("send.php", "POST", {"phones": phone})
    say("error, HTTP 200", wrong.startswith("ERROR = 1 ("), wrong)
except SMSCAPIError as error:
    say("error, HTTP 200", False, error)
