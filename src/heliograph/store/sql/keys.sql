-- API keys of accounts, as digests only (design section 5, credentials).

-- name: of_account
SELECT digest, label, hint, created_ms FROM keys WHERE account_id = ? ORDER BY created_ms, digest

-- name: create
INSERT INTO keys (digest, account_id, label, hint, created_ms) VALUES (?, ?, ?, ?, ?)

-- name: remove
DELETE FROM keys WHERE account_id = ? AND digest = ?
