-- Carriers, their settings and encrypted passwords (core/carriers.py).

-- name: list
SELECT id, name, kind, enabled, settings, secret FROM carriers ORDER BY id

-- name: find
SELECT id, name, kind, enabled, settings, secret FROM carriers WHERE name = ?

-- name: next_id
-- Numbers are not given twice: messages and queue rows keep those of removed carriers.
SELECT 1 + greatest(
    coalesce((SELECT max(id) FROM carriers), 0),
    coalesce((SELECT max(carrier_id) FROM queue), 0))

-- name: next_id (sqlite)
SELECT 1 + max(
    coalesce((SELECT max(id) FROM carriers), 0),
    coalesce((SELECT max(carrier_id) FROM queue), 0))

-- name: create
INSERT INTO carriers (id, name, kind, enabled, settings, secret) VALUES (?, ?, ?, ?, ?, ?)

-- name: change
UPDATE carriers SET enabled = ?, settings = ?, secret = ? WHERE id = ?

-- name: routes
SELECT name FROM routes WHERE carrier_id = ? ORDER BY name

-- name: queued
SELECT count(*) FROM queue WHERE carrier_id = ?

-- Texts that it has and has not reported on (a partial index holds only what is at status 0).
-- name: sent
SELECT count(*) FROM messages WHERE status = 0 AND carrier_id = ?

-- name: remove
DELETE FROM carriers WHERE id = ?
