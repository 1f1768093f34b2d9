"""Sends a text, waits for its status and prints the balance, with heliograph.client (docs/client.md).

    python send.py [NUMBER]                                    where the package is installed
    .venv/bin/python docs/examples/send.py [NUMBER]            in a checkout, once ./dev serve --demo has run

HELIOGRAPH_CLIENT_URL, _LOGIN and _PASSWORD say where and as whom; without them it is the demo, ./dev serve --demo.
"""

import os
import sys

from heliograph.client import AlreadyTaken, ApiError, Client

URL = os.environ.get("HELIOGRAPH_CLIENT_URL", "http://127.0.0.1:8080/")
LOGIN = os.environ.get("HELIOGRAPH_CLIENT_LOGIN", "demo")
PASSWORD = os.environ.get("HELIOGRAPH_CLIENT_PASSWORD", "demo")


def main(phone: str) -> None:
    """Send, wait, and say what is left."""
    with Client(URL, LOGIN, PASSWORD) as client:
        try:
            sent = client.send(phone, "Ваш заказ собран, ждём вас до 21:00")
        except AlreadyTaken:
            sys.exit("the answer was lost, but the text is on its way")
        print(f"sent: id {sent.id}")
        status = client.wait(phone, sent.id, all=1, patience_s=60)
        print(f"status: {status.status} {status.status_name}")
        balance = client.balance()
        print(f"balance: {balance.balance} {balance.currency}")


if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else "79161234567")
    except ApiError as error:
        sys.exit(f"it did not work: {error}")
