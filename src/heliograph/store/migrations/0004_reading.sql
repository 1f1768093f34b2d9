-- Reading an account's data back: history, statistics, short links, exports (docs/adr/0009).

-- History of an account, newest first; by number, block by block; e-mail; texts that were stored long before they were due.
CREATE INDEX messages_account ON messages (account_id, int_id);
-- A block is 65,536 messages. New entries fall into the last block only, so the index costs the writer no page of old ones.
CREATE INDEX messages_phone ON messages ((int_id >> 16), phone, account_id);
CREATE INDEX messages_mail ON messages (account_id, int_id) WHERE kind = 8;
CREATE INDEX messages_later ON messages (account_id, send_ms) WHERE send_ms - created_ms > 86400000;

-- Incoming texts belong to an account (0: nobody's), and may answer a message of it (0: none).
ALTER TABLE inbound ADD COLUMN account_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE inbound ADD COLUMN int_id INTEGER NOT NULL DEFAULT 0;
CREATE INDEX inbound_account ON inbound (account_id, id);

-- What deleted messages had cost, less what was given back for them: the proof of the ledger needs it.
ALTER TABLE accounts ADD COLUMN retired INTEGER NOT NULL DEFAULT 0;

-- Counters of the ledger and of the texts taken for sending, exact, written in the transactions they count. A quarter of
-- an hour (milliseconds since 1970 / 900,000, UTC) is the smallest unit in which all time zones begin their days.
CREATE TABLE statistics (
    account_id INTEGER NOT NULL,
    quarter INTEGER NOT NULL,
    wallet INTEGER NOT NULL,
    currency TEXT NOT NULL,
    texts INTEGER NOT NULL,
    spent INTEGER NOT NULL,                      -- charges less refunds
    income INTEGER NOT NULL,                     -- top-ups, corrections and whatever else moves the balance
    PRIMARY KEY (account_id, quarter, wallet, currency)
) WITHOUT ROWID;
INSERT INTO statistics (account_id, quarter, wallet, currency, texts, spent, income)
SELECT account_id, quarter, wallet, currency, sum(texts), sum(spent), sum(income) FROM (
    SELECT l.account_id AS account_id, l.at_ms / 900000 AS quarter, l.wallet AS wallet, a.currency AS currency, 0 AS texts,
        CASE WHEN l.name IN ('charge', 'refund') THEN -l.amount ELSE 0 END AS spent,
        CASE WHEN l.name IN ('charge', 'refund') THEN 0 ELSE l.amount END AS income
    FROM ledger l JOIN accounts a ON a.id = l.account_id
    UNION ALL
    SELECT m.account_id, m.created_ms / 900000, 1, a.currency, 1, 0, 0
    FROM messages m JOIN accounts a ON a.id = m.account_id
    -- Texts that were refused at once have no carrier; bit 16 is test mode; staged ones have not been charged.
    WHERE m.carrier_id > 0 AND (m.flags >> 16) & 1 = 0
        AND NOT EXISTS (SELECT 1 FROM staged s WHERE m.int_id BETWEEN s.first_id AND s.last_id)
) AS rows_of_both GROUP BY account_id, quarter, wallet, currency;

-- What one unit of a currency is worth, in millionths of a unit that all rows share.
CREATE TABLE rates (
    currency TEXT PRIMARY KEY,
    rate INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- Changes of accounts' currencies: messages up to int_id had their cost in the former one (core/rates.py).
CREATE TABLE exchanges (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL,
    int_id INTEGER NOT NULL,
    currency TEXT NOT NULL,
    rate INTEGER NOT NULL,
    into_currency TEXT NOT NULL,
    into_rate INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
);

ALTER TABLE tariffs ADD COLUMN mail INTEGER NOT NULL DEFAULT 0;  -- the price of an e-mail

-- Short links. A link and a recipient's own copy of it (a trail) draw their ids from one sequence; the code in the
-- address is made of the id (core/links.py).
CREATE TABLE links (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL,
    url TEXT NOT NULL,
    plain TEXT NOT NULL,                         -- without scheme, www. and closing slash, as people look for it
    created_ms INTEGER NOT NULL
);
CREATE UNIQUE INDEX links_url ON links (account_id, url);
CREATE INDEX links_plain ON links (account_id, plain);
CREATE TABLE trails (id INTEGER PRIMARY KEY, link_id INTEGER NOT NULL, int_id INTEGER NOT NULL);
CREATE INDEX trails_message ON trails (int_id);
CREATE TABLE clicks (
    link_id INTEGER NOT NULL,
    quarter INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (link_id, quarter)
) WITHOUT ROWID;

-- Deferred tasks: exports of an account's history.
CREATE TABLE tasks (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    wanted TEXT NOT NULL,                        -- core.exports.Wanted as JSON: the period, filters and form
    status INTEGER NOT NULL,                     -- 0 waiting, 1 in progress, 2 done, 3 cancelled, 4 failed
    created_ms INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL,
    file TEXT NOT NULL,                          -- its name, which cannot be guessed
    rows_done INTEGER NOT NULL,
    rows_all INTEGER NOT NULL,
    place TEXT NOT NULL,                         -- where to go on after a crash, as JSON
    complaint TEXT NOT NULL
);
CREATE INDEX tasks_account ON tasks (account_id, id);
CREATE UNIQUE INDEX tasks_file ON tasks (file);
