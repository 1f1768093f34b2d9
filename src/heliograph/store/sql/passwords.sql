-- Passwords of accounts, as hashes only (design section 5, credentials).

-- name: of_account
SELECT id, label, created_ms, kind FROM passwords WHERE account_id = ? ORDER BY id

-- name: any
SELECT plain FROM passwords WHERE account_id = ? ORDER BY id LIMIT 1

-- name: next_id
SELECT coalesce(max(id), 0) + 1 FROM passwords

-- name: create
INSERT INTO passwords (id, account_id, label, plain, md5, sha1, created_ms, kind)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: remove
DELETE FROM passwords WHERE account_id = ? AND id = ?
