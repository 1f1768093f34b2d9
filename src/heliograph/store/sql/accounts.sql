-- Accounts, their money and their settings (design section 8).

-- name: overview
SELECT a.id, a.login, a.currency, a.balance, a.balance2, a.credit, a.tariff_id, coalesce(t.name, ''), a.settings, a.created_ms
FROM accounts a LEFT JOIN tariffs t ON t.id = a.tariff_id ORDER BY a.login

-- name: find
SELECT a.id, a.login, a.currency, a.balance, a.balance2, a.credit, a.tariff_id, coalesce(t.name, ''), a.settings, a.created_ms
FROM accounts a LEFT JOIN tariffs t ON t.id = a.tariff_id WHERE a.login = ?

-- name: next_id
SELECT coalesce(max(id), 0) + 1 FROM accounts

-- name: create
INSERT INTO accounts (id, login, currency, credit, tariff_id, settings, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: set_settings
UPDATE accounts SET settings = ? WHERE id = ?

-- name: callback_keys
SELECT id, callback_keys FROM accounts WHERE login = ?

-- name: set_callback_keys
UPDATE accounts SET callback_keys = ? WHERE id = ?

-- name: set_tariff
UPDATE accounts SET tariff_id = ? WHERE id = ?

-- name: set_credit
UPDATE accounts SET credit = ? WHERE id = ?

-- name: move_main
UPDATE accounts SET balance = balance + ? WHERE id = ? RETURNING balance, balance2

-- name: move_second
UPDATE accounts SET balance2 = balance2 + ? WHERE id = ? RETURNING balance, balance2

-- name: exchange
UPDATE accounts SET currency = ?, tariff_id = ?, credit = ?, balance = ?, balance2 = ? WHERE id = ?
