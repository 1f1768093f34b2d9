-- Sender names and their state; account 0 is every account.

-- name: overview
SELECT coalesce(a.login, ''), s.name, s.state, s.created_ms
FROM senders s LEFT JOIN accounts a ON a.id = s.account_id ORDER BY s.account_id, s.name

-- name: put
INSERT INTO senders (account_id, name, state, created_ms) VALUES (?, ?, ?, ?)
ON CONFLICT (account_id, name) DO UPDATE SET state = excluded.state

-- name: remove
DELETE FROM senders WHERE account_id = ? AND name = ?
