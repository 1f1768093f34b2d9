-- The append-only ledger.

-- name: add
INSERT INTO ledger (account_id, at_ms, name, amount, wallet, int_id, count, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: of_message
SELECT id, at_ms, name, amount, wallet, count, note FROM ledger WHERE account_id = ? AND int_id = ? ORDER BY id
