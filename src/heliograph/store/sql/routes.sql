-- Routes: which carrier takes a message (core/routing.py).

-- name: list
SELECT r.id, r.name, r.carrier_id, r.priority, r.weight, r.enabled, r.conditions, coalesce(c.name, ''),
  coalesce(c.settings, '{}')
FROM routes r LEFT JOIN carriers c ON c.id = r.carrier_id ORDER BY r.priority DESC, r.id

-- name: find
SELECT r.id, r.name, r.carrier_id, r.priority, r.weight, r.enabled, r.conditions, coalesce(c.name, ''),
  coalesce(c.settings, '{}')
FROM routes r LEFT JOIN carriers c ON c.id = r.carrier_id WHERE r.name = ?

-- name: next_id
SELECT coalesce(max(id), 0) + 1 FROM routes

-- name: create
INSERT INTO routes (id, name, carrier_id, priority, weight, enabled, conditions) VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: change
UPDATE routes SET carrier_id = ?, priority = ?, weight = ?, enabled = ?, conditions = ? WHERE id = ?

-- name: remove
DELETE FROM routes WHERE id = ?
