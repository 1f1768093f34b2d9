-- Calls that are waited for, at most one account a subscriber and number (services/waits.py).

-- name: of
SELECT to_phone, account_id, created_ms, expires_ms, cost, currency FROM waits WHERE phone = ? AND expires_ms > ?
ORDER BY created_ms, to_phone

-- name: find
SELECT account_id, created_ms, expires_ms, cost, currency FROM waits
WHERE phone = ? AND to_phone = ? AND created_ms <= ? AND expires_ms > ?

-- Begins one, renews the account's own, or takes the place of one that is over. Where another account's is not over the
-- NULL breaks the column's NOT NULL: whoever asked looks again for another number.
-- name: add
INSERT INTO waits (phone, to_phone, account_id, created_ms, expires_ms, cost, currency) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (phone, to_phone) DO UPDATE SET
    account_id = CASE WHEN waits.account_id = excluded.account_id OR waits.expires_ms <= excluded.created_ms
        THEN excluded.account_id END,
    created_ms = excluded.created_ms, expires_ms = excluded.expires_ms, cost = excluded.cost,
    currency = excluded.currency

-- name: take
DELETE FROM waits WHERE phone = ? AND to_phone = ? AND account_id = ?

-- name: expire
DELETE FROM waits WHERE expires_ms <= ?

-- name: count
SELECT count(*) FROM waits WHERE expires_ms > ?
