-- News that customers fetch (services/newsfeed.py).

-- name: add
INSERT INTO feed (seq, account_id, id, int_id, status, err, at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)

-- By the key, account by account.
-- name: last
SELECT coalesce(max((SELECT max(f.seq) FROM feed f WHERE f.account_id = a.id)), 0) FROM accounts a

-- News of an account with the message it is about; that of incoming records has none.
-- name: after
SELECT f.seq, f.id, f.int_id, f.status, f.err, f.at_ms, m.int_id, m.account_id, m.id, m.phone, m.given, m.kind, m.flags,
    m.sender, m.text, m.comment, m.parts, m.cost, m.mccmnc, m.status, m.err, m.send_ms, m.created_ms, m.changed_ms,
    m.expires_ms, m.lane, m.route_id, m.carrier_id, m.door, m.fingerprint, m.refunded, m.extra, m.tries, m.tried
FROM feed f LEFT JOIN messages m ON m.int_id = f.int_id
WHERE f.account_id = ? AND f.seq > ? ORDER BY f.seq LIMIT ?

-- The next account that has news, one step in the key.
-- name: next_account
SELECT min(account_id) FROM feed WHERE account_id > ?

-- name: expire
DELETE FROM feed WHERE account_id = ?1 AND at_ms < ?2
    AND seq IN (SELECT seq FROM feed WHERE account_id = ?1 ORDER BY seq LIMIT ?3)
RETURNING seq
