-- Tariffs with their zones and the prices of single operators (core/tariffs.py).

-- name: list
SELECT id, name, currency, refund, mail FROM tariffs ORDER BY id

-- name: zones
SELECT tariff_id, zone, name, matches, prices FROM zones ORDER BY tariff_id, zone

-- name: codes
SELECT tariff_id, mccmnc, prices FROM codes ORDER BY tariff_id, mccmnc

-- name: find
SELECT id, name, currency, refund, mail FROM tariffs WHERE name = ?

-- name: next_id
SELECT coalesce(max(id), 0) + 1 FROM tariffs

-- name: create
INSERT INTO tariffs (id, name, currency, refund, mail) VALUES (?, ?, ?, ?, ?)

-- name: set_refund
UPDATE tariffs SET refund = ? WHERE id = ?

-- name: set_mail
UPDATE tariffs SET mail = ? WHERE id = ?

-- name: users
SELECT login FROM accounts WHERE tariff_id = ? ORDER BY login LIMIT 5

-- name: remove
DELETE FROM tariffs WHERE id = ?

-- name: remove_zones
DELETE FROM zones WHERE tariff_id = ?

-- name: remove_codes
DELETE FROM codes WHERE tariff_id = ?

-- name: add_zone
INSERT INTO zones (tariff_id, zone, name, matches, prices) VALUES (?, ?, ?, ?, ?)

-- name: add_code
INSERT INTO codes (tariff_id, mccmnc, prices) VALUES (?, ?, ?)
