"""A client of the API in Python: ``Client`` blocks, ``AsyncClient`` is awaited (docs/client.md).

with Client("https://sms.example.ru/", key="…") as client:
    sent = client.send("79161234567", "Hello")
    print(client.wait("79161234567", sent.id).status_name)
"""

from heliograph.client.asynchronous import AsyncClient
from heliograph.client.blocking import Client
from heliograph.client.calls import SendOptions
from heliograph.client.errors import AlreadyTaken, ApiError, NoAnswer
from heliograph.client.records import (
    Answer,
    Balance,
    Link,
    Message,
    Operator,
    OperatorPrice,
    Price,
    Prices,
    Progress,
    Recipient,
    Rent,
    RentableNumber,
    Sent,
    Statistics,
    Status,
    Task,
    WaitedCall,
    Zone,
)

__all__ = [
    "AlreadyTaken",
    "Answer",
    "ApiError",
    "AsyncClient",
    "Balance",
    "Client",
    "Link",
    "Message",
    "NoAnswer",
    "Operator",
    "OperatorPrice",
    "Price",
    "Prices",
    "Progress",
    "Recipient",
    "Rent",
    "RentableNumber",
    "SendOptions",
    "Sent",
    "Statistics",
    "Status",
    "Task",
    "WaitedCall",
    "Zone",
]
