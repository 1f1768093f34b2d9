-- News for customers on SMPP, one row until it is acknowledged (services/deliveries.py).

-- name: add
INSERT INTO deliveries (id, int_id, account_id, status, err, at_ms) VALUES (?, ?, ?, ?, ?, ?)

-- name: remove
DELETE FROM deliveries WHERE account_id = ? AND id = ?

-- name: after
SELECT id, int_id, account_id, status, err, at_ms FROM deliveries WHERE account_id = ? AND id > ? ORDER BY id LIMIT ?

-- name: last
SELECT coalesce(max(id), 0) FROM deliveries

-- name: count
SELECT account_id, count(*) FROM deliveries GROUP BY account_id ORDER BY account_id

-- What nobody has fetched for too long, a portion at a time.
-- name: expire
DELETE FROM deliveries WHERE at_ms < ?1
    AND (account_id, id) IN (SELECT account_id, id FROM deliveries WHERE at_ms < ?1 LIMIT ?2)
