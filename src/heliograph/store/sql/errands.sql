-- What incoming texts have caused and is still to be done.

-- name: add
INSERT INTO errands (id, inbound_id, account_id, kind, target, text, due_ms, tries) VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: due
SELECT id, inbound_id, account_id, kind, target, text, due_ms, tries FROM errands
WHERE due_ms <= ? ORDER BY due_ms, id LIMIT ?

-- name: next
SELECT min(due_ms) FROM errands WHERE due_ms > ?

-- name: later
UPDATE errands SET due_ms = ?, tries = ? WHERE id = ?

-- name: remove
DELETE FROM errands WHERE id = ?

-- name: of
SELECT id, inbound_id, account_id, kind, target, text, due_ms, tries FROM errands WHERE inbound_id = ? ORDER BY id

-- name: waiting
SELECT count(*) FROM (SELECT 1 FROM errands LIMIT 1000000) AS e
