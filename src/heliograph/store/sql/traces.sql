-- The whole story of a message (design section 11).

-- name: find_by_id
-- An id stands for all recipients of its request, and a repeated id for several requests: the latest first.
SELECT m.int_id FROM messages m JOIN accounts a ON a.id = m.account_id WHERE a.login = ? AND m.id = ?
ORDER BY m.int_id DESC LIMIT 20

-- name: account
SELECT login, currency FROM accounts WHERE id = ?

-- name: carriers
SELECT id, name FROM carriers

-- name: staged
SELECT first_id FROM staged WHERE ? BETWEEN first_id AND last_id

-- name: ledger
-- The charge of a large request stands at its first message and counts them all.
SELECT at_ms, name, amount, wallet, count, note FROM ledger
WHERE account_id = ?1 AND int_id > 0 AND int_id <= ?2 AND (int_id = ?2 OR ?2 < int_id + count) ORDER BY id

-- name: orphans
-- Receipts nobody could join: with an id of one of the message's parts, or from its number since it was made.
SELECT o.id, o.carrier_id, o.ref, o.phone, o.received_ms, o.status, o.err, o.detail, o.reason FROM orphans o
WHERE o.ref IN (SELECT p.ref FROM parts p WHERE p.int_id = ? AND p.ref <> '')
    OR (o.phone = ? AND o.received_ms >= ?)
ORDER BY o.id LIMIT 20
