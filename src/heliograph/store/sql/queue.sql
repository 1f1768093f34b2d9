-- What has still to go out.

-- name: add
INSERT INTO queue (int_id, carrier_id, lane, due_ms, started_ms, unsure) VALUES (?, ?, ?, ?, ?, 0)

-- name: start
UPDATE queue SET started_ms = ?, carrier_id = ? WHERE int_id = ?

-- Goes again: another carrier, another time, the mark taken off; or marked unsure until its wait is over.
-- name: later
UPDATE queue SET carrier_id = ?, due_ms = ?, started_ms = ?, unsure = ? WHERE int_id = ?

-- name: remove
DELETE FROM queue WHERE int_id = ?

-- The last column: whether parts of it were answered before.
-- name: due
SELECT m.int_id, m.account_id, m.id, m.phone, m.given, m.kind, m.flags, m.sender, m.text, m.comment, m.parts, m.cost,
    m.mccmnc, m.status, m.err, m.send_ms, m.created_ms, m.changed_ms, m.expires_ms, m.lane, m.route_id, q.carrier_id,
    m.door, m.fingerprint, m.refunded, m.extra, m.tries, m.tried,
    CASE WHEN m.parts > 1 AND EXISTS (SELECT 1 FROM parts p WHERE p.int_id = q.int_id) THEN 1 ELSE 0 END
FROM queue q JOIN messages m ON m.int_id = q.int_id
WHERE q.carrier_id = ? AND q.lane = ? AND q.due_ms <= ? AND q.started_ms = 0
    AND NOT EXISTS (SELECT 1 FROM staged s WHERE q.int_id BETWEEN s.first_id AND s.last_id)
ORDER BY q.due_ms, q.int_id LIMIT ?

-- When the next text of a carrier and lane will be due, among those not started and not due yet.
-- name: next_due
SELECT min(due_ms) FROM queue q WHERE carrier_id = ? AND lane = ? AND due_ms > ? AND started_ms = 0
    AND NOT EXISTS (SELECT 1 FROM staged s WHERE q.int_id BETWEEN s.first_id AND s.last_id)

-- name: started
SELECT m.int_id, m.account_id, m.id, m.phone, m.given, m.kind, m.flags, m.sender, m.text, m.comment, m.parts, m.cost,
    m.mccmnc, m.status, m.err, m.send_ms, m.created_ms, m.changed_ms, m.expires_ms, m.lane, m.route_id, q.carrier_id,
    m.door, m.fingerprint, m.refunded, m.extra, m.tries, m.tried, q.started_ms, q.due_ms, q.unsure
FROM queue q JOIN messages m ON m.int_id = q.int_id
WHERE q.started_ms > 0 AND q.int_id > ? ORDER BY q.int_id LIMIT ?

-- name: get
SELECT carrier_id, lane, due_ms, started_ms, unsure FROM queue WHERE int_id = ?

-- name: depth
SELECT carrier_id, lane, count(*), min(due_ms), sum(CASE WHEN started_ms > 0 THEN 1 ELSE 0 END), sum(unsure)
FROM queue GROUP BY carrier_id, lane ORDER BY carrier_id, lane

-- Unsure texts whose wait is over.
-- name: unsure_over
SELECT int_id FROM queue WHERE unsure = 1 AND due_ms <= ? ORDER BY due_ms LIMIT ?
