# foreign: name = "smpplib"
# foreign: what = "Python package, SMPP: parts with headers, receipts, query_sm"
# foreign: pip = ["smpplib==2.2.4"]
# foreign: server = { HELIOGRAPH_SMPP_LISTEN = "127.0.0.1:25261" }
"""The Python package smpplib: a transceiver that cuts a text into parts itself and waits for a receipt of each."""

import json
import re
import sys
import urllib.parse
import urllib.request

import smpplib.client
import smpplib.consts
import smpplib.exceptions
import smpplib.gsm

HOST, PORT = "127.0.0.1", 25261
TEXT = "Ваш заказ 1512 собран и ждёт вас по адресу: Тверская улица, дом 7, с 9 до 21 часа. " * 2
url, login, password, _, phone = sys.argv[1:6]
ids = []
receipts = {}
states = []


def say(operation, ok, detail):
    """A line for the runner."""
    print(f"{operation}\t{'ok' if ok else 'differs'}\t{detail}", flush=True)


def take(pdu):
    """Keep a receipt, by the id that its text and its fields have."""
    told = re.match(
        r"id:(\d+) sub:001 dlvrd:\d+ submit date:\d{10} done date:\d{10} stat:(\w+)", pdu.short_message.decode()
    )
    same = told and pdu.receipted_message_id.rstrip(b"\0").decode() == told[1]
    receipts[told[1] if told else str(pdu.sequence)] = told[2] if same else pdu.short_message
    return 0


def submit(part, coding, esm_class):
    """One part, with a receipt asked for."""
    client.send_message(
        source_addr_ton=smpplib.consts.SMPP_TON_ALNUM,
        source_addr="DEMO",
        dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
        destination_addr=phone,
        short_message=part,
        data_coding=coding,
        esm_class=esm_class,
        registered_delivery=True,
    )


wrong = smpplib.client.Client(HOST, PORT, timeout=10)
wrong.connect()
try:
    wrong.bind_transceiver(system_id=login, password="wrong")
    say("wrong password", False, "bound")
except smpplib.exceptions.PDUError as error:
    say("wrong password", error.args[1] == smpplib.consts.SMPP_ESME_RINVPASWD, error)
wrong.disconnect()

# As it comes, this library ends a session that brings fields beyond the standard's.
client = smpplib.client.Client(HOST, PORT, timeout=20, allow_unknown_opt_params=True)
client.set_message_sent_handler(lambda pdu: ids.append(pdu.message_id.decode()))
client.set_message_received_handler(take)
client.set_query_resp_handler(lambda pdu: states.append(pdu.message_state))
client.connect()
client.bind_transceiver(system_id=login, password=password)
parts, coding, esm_class = smpplib.gsm.make_parts(TEXT)
for part in parts:
    submit(part, coding, esm_class)
while len(receipts) < len(parts) or len(ids) < len(parts):
    client.read_once(auto_send_enquire_link=False)
say("parts", len(ids) == len(parts) == 3, ids)
say("receipts", receipts == dict.fromkeys(ids, "DELIVRD"), receipts)

client.query_message(message_id=ids[-1], source_addr="DEMO", source_addr_ton=smpplib.consts.SMPP_TON_ALNUM)
while not states:
    client.read_once(auto_send_enquire_link=False)
say("query_sm", states == [smpplib.consts.SMPP_MESSAGE_STATE_DELIVERED], states)
client.unbind()
client.disconnect()

query = {"login": login, "psw": password, "phone": phone, "id": ids[0], "all": 1, "fmt": 3, "charset": "utf-8"}
with urllib.request.urlopen(f"{url}/sys/status.php?{urllib.parse.urlencode(query)}") as answer:
    status = json.load(answer)
say("the whole text", status.get("message") == TEXT and status.get("status") == 1, status)
