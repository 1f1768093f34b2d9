-- Dedicated numbers: the operator's stock and who rents them (services/stock.py, services/numbers.py).

-- name: list
SELECT phone, type, uses, shared, cost, currency, info, account_id, since_ms, until_ms, noprolong FROM numbers
ORDER BY phone

-- name: find
SELECT phone, type, uses, shared, cost, currency, info, account_id, since_ms, until_ms, noprolong FROM numbers
WHERE phone = ?

-- name: add
INSERT INTO numbers (phone, type, uses, shared, cost, currency, info, account_id, since_ms, until_ms, noprolong, created_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, ?)

-- name: alter
UPDATE numbers SET type = ?, uses = ?, shared = ?, cost = ?, currency = ?, info = ? WHERE phone = ?

-- name: remove
DELETE FROM numbers WHERE phone = ?

-- Gives it to an account or (0) takes it back; "rents.turn" has made sure, and the row is locked.
-- name: turn
UPDATE numbers SET account_id = ?, since_ms = ?, until_ms = ?, noprolong = ? WHERE phone = ?

-- name: prolong
UPDATE numbers SET noprolong = ? WHERE phone = ? AND account_id = ?
