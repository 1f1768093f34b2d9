-- Large requests while their rows are written (design section 6, flow A).

-- name: begin
INSERT INTO staged (first_id, last_id, account_id, created_ms) VALUES (?, ?, ?, ?)

-- name: end
DELETE FROM staged WHERE first_id = ?

-- name: all
SELECT first_id, last_id, account_id FROM staged ORDER BY first_id

-- name: sweep_trails
DELETE FROM trails WHERE int_id BETWEEN ? AND ?

-- name: sweep_messages
DELETE FROM messages WHERE int_id BETWEEN ? AND ?

-- name: sweep_queue
DELETE FROM queue WHERE int_id BETWEEN ? AND ?

-- name: sweep_callbacks
DELETE FROM callbacks WHERE int_id BETWEEN ? AND ?
