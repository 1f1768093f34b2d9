-- One row for each recipient.

-- name: accept
INSERT INTO messages (int_id, account_id, id, phone, given, kind, flags, sender, text, comment, parts, cost, mccmnc,
    status, err, send_ms, created_ms, changed_ms, expires_ms, lane, route_id, carrier_id, door, fingerprint, refunded,
    extra, tries, tried)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: move
UPDATE messages SET status = ?, err = ?, changed_ms = ?, carrier_id = ?, route_id = ?, refunded = ?, tries = ?,
    tried = ?, extra = ? WHERE int_id = ?

-- The carrier has it: all that moves in a message that goes the usual way.
-- name: sent
UPDATE messages SET status = 0, err = 0, changed_ms = ?, tries = ? WHERE int_id = ?

-- name: delete
UPDATE messages SET flags = ?, status = ?, err = ?, changed_ms = ?, refunded = ? WHERE int_id = ?

-- A text that waits is replaced by another one of as many parts.
-- name: replace
UPDATE messages SET text = ?, comment = ? WHERE int_id = ?

-- name: get
SELECT int_id, account_id, id, phone, given, kind, flags, sender, text, comment, parts, cost, mccmnc, status, err,
    send_ms, created_ms, changed_ms, expires_ms, lane, route_id, carrier_id, door, fingerprint, refunded, extra,
    tries, tried
FROM messages WHERE int_id = ?

-- A repeated id means the latest message (spec sending 2, id); several recipients may share one id.
-- name: by_id
SELECT int_id, account_id, id, phone, given, kind, flags, sender, text, comment, parts, cost, mccmnc, status, err,
    send_ms, created_ms, changed_ms, expires_ms, lane, route_id, carrier_id, door, fingerprint, refunded, extra,
    tries, tried
FROM messages m WHERE account_id = ? AND id = ? AND (phone = ? OR given = ?)
    AND NOT EXISTS (SELECT 1 FROM staged s WHERE m.int_id BETWEEN s.first_id AND s.last_id)
ORDER BY int_id DESC LIMIT 1

-- name: states
SELECT m.status, count(*) FROM messages m WHERE m.account_id = ? AND m.id = ? AND m.flags & 131072 = 0
    AND NOT EXISTS (SELECT 1 FROM staged s WHERE m.int_id BETWEEN s.first_id AND s.last_id)
GROUP BY m.status ORDER BY m.status

-- name: latest
SELECT int_id, account_id, id, phone, given, kind, flags, sender, text, comment, parts, cost, mccmnc, status, err,
    send_ms, created_ms, changed_ms, expires_ms, lane, route_id, carrier_id, door, fingerprint, refunded, extra,
    tries, tried
FROM messages WHERE int_id < ? AND account_id = ? ORDER BY int_id DESC LIMIT ?

-- name: last
SELECT coalesce(max(int_id), 0) FROM messages

-- name: created
SELECT int_id, created_ms FROM messages WHERE int_id >= ? ORDER BY int_id LIMIT 1

-- name: since
SELECT int_id, account_id, phone, fingerprint, created_ms, status, text FROM messages WHERE int_id >= ? ORDER BY int_id

-- name: today
SELECT phone, text, extra FROM messages WHERE int_id >= ? AND account_id = ? AND status NOT IN (22, 23, 24, 25)

-- Sent texts whose receipt is overdue (a partial index holds only what is at status 0).
-- name: overdue
SELECT int_id FROM messages WHERE status = 0 AND carrier_id = ? AND changed_ms < ? ORDER BY changed_ms LIMIT ?

-- The next carrier that has sent texts without a receipt, one step in the same index; carriers that were removed, too.
-- name: next_sender
SELECT min(carrier_id) FROM messages WHERE status = 0 AND carrier_id > ?
