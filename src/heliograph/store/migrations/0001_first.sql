-- The first tables (design sections 5, 8 and 9). Written in SQLite's words; for PostgreSQL the runner reads
-- INTEGER as BIGINT, BLOB as BYTEA and leaves WITHOUT ROWID out. Times ending in _ms are UTC milliseconds,
-- money is in 1/10,000 of a currency unit, yes and no are 1 and 0.

-- Small facts of the installation: "version" rises with every change that a running server must see.
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO facts (name, value) VALUES ('version', '1');

CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    login TEXT NOT NULL UNIQUE,
    currency TEXT NOT NULL,
    balance INTEGER NOT NULL DEFAULT 0,
    balance2 INTEGER NOT NULL DEFAULT 0,
    credit INTEGER NOT NULL DEFAULT 0,
    last_id INTEGER NOT NULL DEFAULT 0,          -- the account's own sequence of message ids, within 31 bits
    tariff_id INTEGER NOT NULL,
    settings TEXT NOT NULL DEFAULT '{}',         -- core.accounts.Settings as JSON
    created_ms INTEGER NOT NULL,
    CONSTRAINT overdraft CHECK (balance + credit >= 0),
    CONSTRAINT overdraft2 CHECK (balance2 >= 0)
);

-- A password at rest: argon2 hashes of the plain form, of its MD5 and of its SHA-1 (clients send any of the three).
CREATE TABLE passwords (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL,
    label TEXT NOT NULL,
    plain TEXT NOT NULL,
    md5 TEXT NOT NULL,
    sha1 TEXT NOT NULL,
    created_ms INTEGER NOT NULL
);
CREATE INDEX passwords_account ON passwords (account_id);

CREATE TABLE keys (
    digest TEXT PRIMARY KEY,                     -- SHA-256 of the key, in hex; the key itself is shown once and never kept
    account_id INTEGER NOT NULL,
    label TEXT NOT NULL,
    hint TEXT NOT NULL,                          -- its first characters, to tell keys apart
    created_ms INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE tariffs (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    currency TEXT NOT NULL,
    refund TEXT NOT NULL                         -- statuses that give the money back: "20,22,23,25"
);

CREATE TABLE zones (
    tariff_id INTEGER NOT NULL,
    zone INTEGER NOT NULL,
    name TEXT NOT NULL,
    matches TEXT NOT NULL,                       -- countries (RU), operators (25001) and prefixes (+7495), comma between; * is the rest
    prices TEXT NOT NULL,                        -- core.tariffs.Prices as JSON
    PRIMARY KEY (tariff_id, zone)
) WITHOUT ROWID;

CREATE TABLE codes (
    tariff_id INTEGER NOT NULL,
    mccmnc TEXT NOT NULL,
    prices TEXT NOT NULL,
    PRIMARY KEY (tariff_id, mccmnc)
) WITHOUT ROWID;

CREATE TABLE senders (
    account_id INTEGER NOT NULL,                 -- 0: every account
    name TEXT NOT NULL,
    state TEXT NOT NULL,                         -- approved, waiting, refused
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (account_id, name)
) WITHOUT ROWID;

CREATE TABLE blacklist (
    account_id INTEGER NOT NULL,                 -- 0: the whole installation
    phone TEXT NOT NULL,
    type INTEGER NOT NULL,                       -- 0 everything, 1 mailings only, 2 single messages only
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (account_id, phone)
) WITHOUT ROWID;

CREATE TABLE carriers (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    settings TEXT NOT NULL,                      -- core.carriers.Settings as JSON
    secret TEXT NOT NULL                         -- its password, encrypted with the key file
);

CREATE TABLE routes (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    carrier_id INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    weight INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    conditions TEXT NOT NULL                     -- core.routing.Conditions as JSON
);

CREATE TABLE ranges (
    first INTEGER NOT NULL,                      -- whole international numbers
    last INTEGER NOT NULL,
    country TEXT NOT NULL,
    operator TEXT NOT NULL,
    region TEXT NOT NULL,
    mcc TEXT NOT NULL,
    mnc TEXT NOT NULL,
    tz TEXT NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (first, last)
) WITHOUT ROWID;

-- One row for each recipient. int_id rises with time, so the last minute or the last day is a range of the key.
CREATE TABLE messages (
    int_id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL,
    id TEXT NOT NULL,
    phone TEXT NOT NULL,
    given TEXT NOT NULL,
    kind INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    sender TEXT NOT NULL,
    text TEXT NOT NULL,
    comment TEXT NOT NULL,
    parts INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    mccmnc TEXT NOT NULL,
    status INTEGER NOT NULL,
    err INTEGER NOT NULL,
    send_ms INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    route_id INTEGER NOT NULL,
    carrier_id INTEGER NOT NULL,
    door INTEGER NOT NULL,
    fingerprint INTEGER NOT NULL,
    refunded INTEGER NOT NULL,
    extra TEXT NOT NULL,
    tries INTEGER NOT NULL,
    tried TEXT NOT NULL
);
CREATE INDEX messages_id ON messages (account_id, id);
CREATE INDEX messages_sent ON messages (carrier_id, changed_ms) WHERE status = 0;

-- What has still to go out, narrow, one row a message; removed when the carrier has it or it is over.
-- started_ms is the start mark: set before the first byte leaves, so only marked rows can be unsure after a crash.
CREATE TABLE queue (
    int_id INTEGER PRIMARY KEY,
    carrier_id INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    unsure INTEGER NOT NULL
);
CREATE INDEX queue_due ON queue (carrier_id, lane, due_ms);
CREATE INDEX queue_unsure ON queue (due_ms) WHERE unsure = 1;

-- Requests whose rows are being written in portions: nothing in [first_id, last_id] counts until the row is gone.
CREATE TABLE staged (first_id INTEGER PRIMARY KEY, last_id INTEGER NOT NULL, account_id INTEGER NOT NULL, created_ms INTEGER NOT NULL);

-- What the carrier answered to each part of each try.
CREATE TABLE parts (
    int_id INTEGER NOT NULL,
    try INTEGER NOT NULL,
    part INTEGER NOT NULL,
    carrier_id INTEGER NOT NULL,
    ref TEXT NOT NULL,                           -- the carrier's id, '' when there is none
    link TEXT NOT NULL,
    sent_ms INTEGER NOT NULL,
    answered_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL,                       -- accepted, later, refused, unsure
    code INTEGER NOT NULL,                       -- command_status
    status INTEGER NOT NULL,                     -- of this part, by its receipt
    err INTEGER NOT NULL,
    PRIMARY KEY (int_id, try, part)
) WITHOUT ROWID;
CREATE INDEX parts_ref ON parts (ref) WHERE ref <> '';

-- The story of a message beside its parts: receipts, changes of route, refunds, callbacks. at_us is unique by construction.
CREATE TABLE events (
    int_id INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    name TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (int_id, at_us)
) WITHOUT ROWID;

-- Receipts that match nothing yet, or too much: stored, acknowledged, joined later, never dropped.
CREATE TABLE orphans (
    id INTEGER PRIMARY KEY,
    carrier_id INTEGER NOT NULL,
    ref TEXT NOT NULL,
    phone TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    status INTEGER NOT NULL,
    err INTEGER NOT NULL,
    detail TEXT NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX orphans_ref ON orphans (ref);

CREATE TABLE callbacks (
    id INTEGER PRIMARY KEY,                      -- the event id, the same on every repeat
    int_id INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    status INTEGER NOT NULL,
    err INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    tries INTEGER NOT NULL
);
CREATE INDEX callbacks_due ON callbacks (due_ms);

CREATE TABLE inbound (
    id INTEGER PRIMARY KEY,
    carrier_id INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    sent_ms INTEGER NOT NULL,
    phone TEXT NOT NULL,
    to_phone TEXT NOT NULL,
    text TEXT NOT NULL,
    extra TEXT NOT NULL
);

-- Append-only. For every account sum(amount) = balance, and charges - refunds = what its messages cost.
CREATE TABLE ledger (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    name TEXT NOT NULL,                          -- charge, refund, top-up, correction
    amount INTEGER NOT NULL,                     -- below zero takes from the balance
    wallet INTEGER NOT NULL,                     -- 1 the main balance, 2 the second ("electronic")
    int_id INTEGER NOT NULL,                     -- the message, the first of a large request, or 0
    count INTEGER NOT NULL,                      -- messages it stands for
    note TEXT NOT NULL
);
-- SQLite numbers its INTEGER PRIMARY KEY by itself.
-- only: postgres
ALTER TABLE ledger ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY;
-- end
CREATE INDEX ledger_account ON ledger (account_id, id);
