-- What happens with incoming texts, by number and first word.

-- name: all
SELECT id, account_id, position, phone, keyword, actions FROM rules ORDER BY account_id, position

-- name: of
SELECT id, account_id, position, phone, keyword, actions FROM rules WHERE account_id = ? ORDER BY position

-- name: last
SELECT coalesce(max(id), 0) FROM rules

-- name: add
INSERT INTO rules (id, account_id, position, phone, keyword, actions) VALUES (?, ?, ?, ?, ?, ?)

-- name: move
UPDATE rules SET position = ? WHERE id = ?

-- name: remove
DELETE FROM rules WHERE id = ?

-- name: find
SELECT id, account_id, position, phone, keyword, actions FROM rules WHERE id = ?
