-- News for customers, one row until it is told.

-- name: add
INSERT INTO callbacks (id, int_id, account_id, status, err, at_ms, due_ms, tries) VALUES (?, ?, ?, ?, ?, ?, ?, 0)

-- News of a large request that is still being written: a name of its own, so that nobody is told of it yet.
-- name: stage
INSERT INTO callbacks (id, int_id, account_id, status, err, at_ms, due_ms, tries) VALUES (?, ?, ?, ?, ?, ?, ?, 0)

-- name: later
UPDATE callbacks SET due_ms = ?, tries = ? WHERE id = ?

-- name: remove
DELETE FROM callbacks WHERE id = ?

-- name: due
SELECT c.id, c.int_id, c.account_id, c.status, c.err, c.at_ms, c.due_ms, c.tries FROM callbacks c
WHERE (c.due_ms <= ? OR c.tries = 0) AND c.id > ?
    AND NOT EXISTS (SELECT 1 FROM staged s WHERE c.int_id BETWEEN s.first_id AND s.last_id)
ORDER BY c.id LIMIT ?

-- News that was not told yet is due at once, so only repeats have a later time (a partial index holds them).
-- name: next_due
SELECT min(due_ms) FROM callbacks WHERE due_ms > ? AND tries > 0

-- By a partial index, which holds repeats alone.
-- name: tried
SELECT int_id, min(id) FROM callbacks WHERE tries > 0 GROUP BY int_id LIMIT ?

-- Older news of the same message that is to be told again: what is newer waits for it.
-- name: older
SELECT id FROM callbacks WHERE int_id = ? AND tries > 0 AND id < ? ORDER BY id LIMIT 1

-- The messages of many pieces of news; ?1 is a list of int_ids: 1,2,3.
-- name: messages
SELECT int_id, account_id, id, phone, given, kind, flags, sender, text, comment, parts, cost, mccmnc, status, err,
    send_ms, created_ms, changed_ms, expires_ms, lane, route_id, carrier_id, door, fingerprint, refunded, extra,
    tries, tried
FROM messages WHERE int_id IN (SELECT value FROM json_each('[' || ?1 || ']'))

-- name: messages (postgres)
SELECT int_id, account_id, id, phone, given, kind, flags, sender, text, comment, parts, cost, mccmnc, status, err,
    send_ms, created_ms, changed_ms, expires_ms, lane, route_id, carrier_id, door, fingerprint, refunded, extra,
    tries, tried
FROM messages WHERE int_id = ANY (string_to_array($1, ',')::bigint[])

-- An incoming text or call, and the account's id of the message it answers.
-- name: incoming
SELECT i.id, i.phone, i.to_phone, i.text, i.sent_ms, i.received_ms, i.extra, coalesce(m.id, '')
FROM inbound i LEFT JOIN messages m ON m.int_id = i.int_id WHERE i.id = ?

-- Raised by the command line: a running sender reads the table anew (services/replays.py).
-- name: mark
SELECT value FROM facts WHERE name = 'callbacks'

-- name: last
SELECT coalesce(max(id), 0) FROM callbacks

-- name: count
SELECT count(*) FROM callbacks

-- name: of
SELECT id, status, err, at_ms, due_ms, tries FROM callbacks WHERE int_id = ? ORDER BY id
