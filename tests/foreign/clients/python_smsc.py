# foreign: name = "smsc"
# foreign: what = "Python package, GET, fmt=3"
# foreign: pip = ["smsc==0.1.1"]
"""The Python package smsc: GET, fmt=3, lists of statuses asked for by a trailing comma, all=2."""

import datetime
import logging
import sys
import time

from smsc.api import SMSC
from smsc.messages import FlashMessage, SMSMessage

url, login, password, _, phone = sys.argv[1:6]
logging.disable(logging.CRITICAL)
SMSC._url = f"{url}/sys/"
client = SMSC(login=login, password=password, sender="DEMO")


def say(operation: str, ok: bool, detail: object) -> None:
    """A line for the runner."""
    print(f"{operation}\t{'ok' if ok else 'differs'}\t{detail}", flush=True)


before = client.get_balance()
say("balance", before.error is None and before.balance > 0 and before.currency == "RUR" and before.credit == 0, before)

text = SMSMessage(text="Привет, это проверка чужой библиотекой")
price = client.get_cost(phone, text)
say("price", price.error is None and price.count == 1 and price.cost > 0, price)

sent = client.send(phone, text)
say("send", sent.error is None and isinstance(sent.message_id, int) and sent.cost == price.cost, sent)

long = client.send([phone, str(int(phone) + 1)], FlashMessage(text="д" * 71, translit=0, maxsms=3))
say("send to two, two parts", long.error is None and long.count == 4, long)

for _ in range(4):  # the same status may be asked for five times a minute
    time.sleep(2)
    status = client.get_status(phone, str(sent.message_id))[0]
    if status.status.status_id > 0:
        break
say("status", status.status.status_id == 1 and status.status.name != "", status.status)
age = datetime.datetime.now(datetime.UTC) - status.data["send_date"]
say("status, dates in Moscow", datetime.timedelta(0) <= age < datetime.timedelta(minutes=1), status.data["send_date"])
fields = {name: status.data.get(name) for name in ("phone", "country", "operator", "region", "message", "id")}
say("status, all=2", fields["phone"] == phone and "проверка" in str(fields["message"]) and all(fields.values()), fields)

after = client.get_balance()
spent = round(before.balance - after.balance, 4)
say("balance after", spent == round(sent.cost + long.cost, 4), f"{before.balance} - {spent} = {after.balance}")

wrong = client.send("", SMSMessage(text="nobody"))
say("error", wrong.error is not None and wrong.error.code == 1 and wrong.error.error != "", wrong.error)
