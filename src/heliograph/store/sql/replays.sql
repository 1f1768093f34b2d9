-- News told again or dropped by an operator (services/replays.py). Incoming records have int_ids below zero.

-- The backlog by account: rows, those not tried yet, the oldest, the next try, the most tries.
-- name: backlog
SELECT c.account_id, coalesce(a.login, ''), coalesce(a.settings, '{}'), count(*), sum(CASE WHEN c.tries = 0 THEN 1 ELSE 0 END),
    min(c.at_ms), min(CASE WHEN c.tries > 0 THEN c.due_ms END), max(c.tries)
FROM callbacks c LEFT JOIN accounts a ON a.id = c.account_id
GROUP BY c.account_id, a.login, a.settings ORDER BY count(*) DESC, c.account_id

-- What was tried last: of it the story tells the answer.
-- name: tried
SELECT int_id FROM callbacks WHERE account_id = ? AND tries > 0 ORDER BY due_ms DESC LIMIT 1

-- name: answer
SELECT detail FROM events WHERE int_id = ? AND name = 'callback' ORDER BY at_us DESC LIMIT 1

-- name: story
SELECT at_us, detail FROM events WHERE int_id = ? AND name = 'callback' ORDER BY at_us

-- name: stories
SELECT int_id, detail FROM events WHERE int_id BETWEEN ? AND ? AND name = 'callback' ORDER BY int_id, at_us

-- name: waiting
SELECT int_id, id, tries FROM callbacks WHERE int_id BETWEEN ? AND ? ORDER BY id

-- Final messages by HTTP, SMTP or SMPP, with the account's own when ?5 is above zero.
-- name: messages
SELECT int_id, account_id, status, err, changed_ms FROM messages m
WHERE int_id BETWEEN ?1 AND ?2 AND created_ms BETWEEN ?3 AND ?4 AND (?5 = 0 OR account_id = ?5)
    AND status IN (1, 2, 3, 4, 20, 22, 23, 24, 25) AND door <= 3
    AND NOT EXISTS (SELECT 1 FROM staged s WHERE m.int_id BETWEEN s.first_id AND s.last_id)
ORDER BY int_id

-- name: incoming
SELECT -id, account_id, 0, 0, received_ms FROM inbound
WHERE id > ?1 AND received_ms BETWEEN ?2 AND ?3 AND account_id > 0 AND (?4 = 0 OR account_id = ?4) ORDER BY id LIMIT ?5

-- name: one_incoming
SELECT -id, account_id, 0, 0, received_ms FROM inbound WHERE id = ?

-- Locks the mark, so that operators' changes of the table take turns, and tells the last id that they gave.
-- name: lock
INSERT INTO facts (name, value) VALUES ('callbacks', '1') ON CONFLICT (name) DO UPDATE SET value = facts.value
RETURNING value

-- name: put
INSERT INTO callbacks (id, int_id, account_id, status, err, at_ms, due_ms, tries) VALUES (?, ?, ?, ?, ?, ?, ?, 0)
ON CONFLICT (id) DO UPDATE SET due_ms = excluded.due_ms

-- name: hasten
UPDATE callbacks SET due_ms = ? WHERE id = ? AND tries > 0

-- name: rows
SELECT id, int_id, status FROM callbacks
WHERE id > ?1 AND at_ms BETWEEN ?2 AND ?3 AND (?4 = 0 OR account_id = ?4) ORDER BY id LIMIT ?5

-- name: rows_of
SELECT id, int_id, status FROM callbacks WHERE int_id = ? ORDER BY id

-- name: drop
DELETE FROM callbacks WHERE id = ?

-- name: note
INSERT INTO events (int_id, at_us, name, detail) VALUES (?, ?, 'callback', ?) ON CONFLICT DO NOTHING
