-- Receipts that match nothing yet, or too much.

-- name: add
INSERT INTO orphans (id, carrier_id, ref, phone, received_ms, status, err, detail, reason, extra)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: remove
DELETE FROM orphans WHERE id = ?

-- name: recent
SELECT id, carrier_id, ref, phone, received_ms, status, err, detail, extra FROM orphans
WHERE received_ms > ? ORDER BY id DESC LIMIT ?

-- name: last
SELECT coalesce(max(id), 0) FROM orphans

-- name: count
SELECT count(*) FROM orphans

-- name: by_phone
SELECT id, carrier_id, ref, phone, received_ms, status, err, detail, reason FROM orphans
WHERE carrier_id = ? AND phone = ? ORDER BY id LIMIT 50
