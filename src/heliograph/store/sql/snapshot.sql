-- What the hot path holds in memory, read whole when facts.version has risen.

-- name: version
SELECT value FROM facts WHERE name = 'version'

-- name: accounts
SELECT id, login, currency, credit, tariff_id, settings FROM accounts ORDER BY id

-- name: callback_keys
SELECT id, callback_keys FROM accounts WHERE callback_keys <> ''

-- name: last_ids
SELECT id, last_id FROM accounts

-- name: passwords
SELECT id, account_id, plain, md5, sha1, kind FROM passwords ORDER BY id

-- name: keys
SELECT digest, account_id FROM keys

-- name: tariffs
SELECT id, name, currency, refund, mail FROM tariffs

-- name: zones
SELECT tariff_id, zone, name, matches, prices FROM zones ORDER BY tariff_id, zone

-- name: codes
SELECT tariff_id, mccmnc, prices FROM codes

-- name: senders
SELECT account_id, name FROM senders WHERE state = 'approved'

-- name: blacklist
SELECT account_id, phone, type FROM blacklist

-- name: carriers
SELECT id, name, kind, enabled, settings, secret FROM carriers ORDER BY id

-- name: routes
SELECT id, name, carrier_id, priority, weight, conditions FROM routes WHERE enabled = 1 ORDER BY id

-- name: ranges
SELECT first, last, country, operator, region, mcc, mnc, tz FROM ranges ORDER BY first

-- name: ranges_mark
SELECT coalesce(max(value), '') FROM facts WHERE name = 'ranges'

-- name: rates
SELECT currency, rate FROM rates

-- name: exchanges
SELECT account_id, int_id, currency, rate, into_currency, into_rate FROM exchanges ORDER BY id
