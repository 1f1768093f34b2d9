-- What currencies are worth, and the changes of accounts' currencies (core/rates.py).

-- name: list
SELECT currency, rate, changed_ms FROM rates ORDER BY currency

-- name: put
INSERT INTO rates (currency, rate, changed_ms) VALUES (?, ?, ?)
ON CONFLICT (currency) DO UPDATE SET rate = excluded.rate, changed_ms = excluded.changed_ms

-- name: remove
DELETE FROM rates WHERE currency = ?

-- name: next_exchange
SELECT coalesce(max(id), 0) + 1 FROM exchanges

-- name: exchange
INSERT INTO exchanges (id, account_id, int_id, currency, rate, into_currency, into_rate, at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
