# foreign: name = "zeep"
# foreign: what = "Python package, SOAP: every answer against the schema"
# foreign: pip = ["zeep==4.3.3"]
"""The Python package zeep: reads the description and checks what comes against its schema, in its order."""

import sys
import time

import zeep

TEXT = "Съешь ещё этих мягких французских булок, да выпей чаю & <кофе>. " * 6
url, login, password, key, phone = sys.argv[1:6]
who = {"login": login, "psw": password}


def say(operation, ok, detail):
    """A line for the runner."""
    print(f"{operation}\t{'ok' if ok else 'differs'}\t{' '.join(str(detail).split())[:200]}", flush=True)


with zeep.Client(f"{url}/sys/soap.php?wsdl") as client:
    service = client.service
    before = service.get_balance(**who)
    say("balance", float(before.balance) > 0 and before.error == "0", before)
    price = service.get_sms_cost(**who, phones=phone, mes=TEXT)
    say("price", (price.cnt, price.error) == ("6", "0"), price)
    sent = service.send_sms(**who, phones=phone, mes=TEXT)
    say("send", (sent.cnt, sent.cost, sent.error) == ("6", price.cost, "0"), sent)
    for _ in range(4):  # the same status may be asked for five times a minute
        time.sleep(2)
        status = service.get_status(**who, phone=phone, id=sent.id, all=1)
        if int(status.status) > 0:
            break
    say("status", (status.status, status.sms_cnt, status.error) == ("1", "6", "0"), status)
    say("status, text", status.message == TEXT, status.message)
    keyed = service.get_status2(apikey=key, phone=phone, id=sent.id, query="all=1")
    say("status by key", (keyed.status, keyed.message) == ("1", TEXT), keyed)
    after = service.get_balance(**who)
    spent = round(float(before.balance) - float(after.balance), 4)
    say("balance after", spent == float(sent.cost), after)
    problems = service.send_sms2(**who, phones=f"{phone},12", mes="Hi", query="err=1").errors
    say("a number that is none", [each.phone for each in problems] == ["12"], problems)
    wrong = service.get_balance(login=login, psw="wrong")
    say("wrong password", wrong.error == "2", wrong)
