# foreign: name = "suds"
# foreign: what = "Python package suds-community, SOAP: arguments by place"
# foreign: pip = ["suds-community==1.2.0"]
"""The Python package suds-community: an older reader of descriptions; arguments by place, in the order of the schema."""

import sys
import time

import suds.client

TEXT = "Съешь ещё этих мягких французских булок, да выпей чаю & <кофе>. " * 6
url, login, password, _, phone = sys.argv[1:6]


def say(operation, ok, detail):
    """A line for the runner."""
    print(f"{operation}\t{'ok' if ok else 'differs'}\t{' '.join(str(detail).split())[:200]}", flush=True)


service = suds.client.Client(f"{url}/sys/soap.php?wsdl", cache=None).service
before = service.get_balance(login, password)
say("balance", float(before.balance) > 0, before)
price = service.get_sms_cost(login, password, phone, TEXT)
say("price", (str(price.cnt), str(price.error)) == ("6", "0"), price)
sent = service.send_sms(login, password, phone, TEXT)
say("send", (sent.cnt, sent.cost, sent.error) == ("6", price.cost, "0"), sent)
for _ in range(4):  # the same status may be asked for five times a minute
    time.sleep(2)
    status = service.get_status(login, password, phone, sent.id, "1")
    if int(status.status) > 0:
        break
say("status", (status.status, status.error) == ("1", "0"), status)
say("status, text", status.message == TEXT, status.message)
flash = service.send_sms2(login, password, str(int(phone) + 1), "Hi", query="flash=1")
say("flash", flash.cnt == "1", flash)
refused = service.send_sms(login, password, "12", "Hi")
say("a number that is none", refused.error == "7", refused)
