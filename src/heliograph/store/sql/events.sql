-- The story of a message.

-- name: add
INSERT INTO events (int_id, at_us, name, detail) VALUES (?, ?, ?, ?)

-- name: of
SELECT at_us, name, detail FROM events WHERE int_id = ? ORDER BY at_us
