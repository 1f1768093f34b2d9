-- The way back: incoming texts and calls, dedicated numbers, confirmation by call, news to be fetched.
-- A row of callbacks or of events whose int_id is below zero belongs to the incoming record -int_id.

-- Parts of long incoming texts that wait for the others; each is on disk before its carrier is answered.
CREATE TABLE fragments (
    carrier_id INTEGER NOT NULL,
    phone TEXT NOT NULL,
    to_phone TEXT NOT NULL,
    reference INTEGER NOT NULL,
    total INTEGER NOT NULL,
    number INTEGER NOT NULL,
    text TEXT NOT NULL,
    sent_ms INTEGER NOT NULL,
    smsc TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    PRIMARY KEY (carrier_id, phone, to_phone, reference, total, number)
) WITHOUT ROWID;

-- Numbers on which subscribers reach customers: the operator's stock, rented by the month.
CREATE TABLE numbers (
    phone TEXT PRIMARY KEY,
    type INTEGER NOT NULL,                       -- 1 and 4 dedicated virtual numbers, 2 a number on a SIM
    uses TEXT NOT NULL,                          -- texts, calls or both, comma between
    shared INTEGER NOT NULL,                     -- 1: nobody rents it, everybody's subscribers write to it
    cost INTEGER NOT NULL,                       -- a month, in 1/10,000 of its currency
    currency TEXT NOT NULL,
    info TEXT NOT NULL,                          -- operator and kinds of notification, as customers see it
    account_id INTEGER NOT NULL,                 -- who rents it; 0: free
    since_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,                   -- paid up to here
    noprolong INTEGER NOT NULL,
    created_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX numbers_account ON numbers (account_id);

-- What happens with incoming texts that begin with a word, beside being stored and told.
CREATE TABLE rules (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    phone TEXT NOT NULL,                         -- the number that was written to, '' any
    keyword TEXT NOT NULL,                       -- '' every text
    actions TEXT NOT NULL                        -- core.rules.Actions as JSON
);
CREATE INDEX rules_account ON rules (account_id, position);

-- Calls that are waited for: at most one a subscriber and number.
CREATE TABLE waits (
    phone TEXT NOT NULL,                         -- who will call
    to_phone TEXT NOT NULL,
    account_id INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    PRIMARY KEY (phone, to_phone)
) WITHOUT ROWID;

-- News kept for customers who fetch it (/api/v1/events). seq rises in the order of commits, so nothing appears behind a
-- reader's back; id is the event's, the same as in its callback.
CREATE TABLE feed (
    account_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    id INTEGER NOT NULL,
    int_id INTEGER NOT NULL,
    status INTEGER NOT NULL,
    err INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (account_id, seq)
) WITHOUT ROWID;

-- Keys by which callbacks are signed: a JSON list, encrypted with the key file as a whole.
ALTER TABLE accounts ADD COLUMN callback_keys TEXT NOT NULL DEFAULT '';

-- Is there older news of a message that is to be told again? Only repeats are in it.
CREATE INDEX callbacks_message ON callbacks (int_id) WHERE tries > 0;
