-- Other doors than HTTP: SMPP for customers (docs/smpp.md).

-- What a password is for: '' the API, 'smpp' the SMPP door.
ALTER TABLE passwords ADD COLUMN kind TEXT NOT NULL DEFAULT '';

-- Parts of a long text that a customer sends one by one; each is on disk before its answer, and has an id out of the
-- sequence of messages and a receipt of its own. The last part's id is that of the whole.
CREATE TABLE pieces (
    int_id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL,
    message_id INTEGER NOT NULL,                 -- the message it has become part of; 0: waits for the others, -1: refused
    received_ms INTEGER NOT NULL,
    reference INTEGER NOT NULL,
    total INTEGER NOT NULL,
    number INTEGER NOT NULL,
    source TEXT NOT NULL,                        -- sender and recipient as the customer wrote them
    destination TEXT NOT NULL,
    data TEXT NOT NULL,                          -- the octets of the text in hex, emptied once it is part of a message
    wishes TEXT NOT NULL                         -- core.pieces.Wishes as JSON: how it was asked to be sent
);
CREATE INDEX pieces_message ON pieces (message_id);

-- What customers on SMPP are told, one row until it is acknowledged; the columns are those of callbacks.
CREATE TABLE deliveries (
    account_id INTEGER NOT NULL,
    id INTEGER NOT NULL,                         -- the event id
    int_id INTEGER NOT NULL,                     -- a message, a piece that was refused, or below zero an incoming text
    status INTEGER NOT NULL,
    err INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (account_id, id)
) WITHOUT ROWID;
