-- A recipient's own copies of short links.

-- name: last
SELECT coalesce(max(id), 0) FROM trails

-- name: add
INSERT INTO trails (id, link_id, int_id) VALUES (?, ?, ?)

-- name: of_message
SELECT id, link_id FROM trails WHERE int_id = ? ORDER BY id
