-- Numbers that must not be written to; account 0 is the whole installation.

-- name: of_account
SELECT phone, type, created_ms FROM blacklist WHERE account_id = ? ORDER BY phone

-- name: put
INSERT INTO blacklist (account_id, phone, type, created_ms) VALUES (?, ?, ?, ?)
ON CONFLICT (account_id, phone) DO UPDATE SET type = excluded.type

-- name: remove
DELETE FROM blacklist WHERE account_id = ? AND phone = ?
