-- What became of dedicated numbers.

-- The line of a change, and its guard: where the number is no longer as it was when the change was decided (rented by
-- ?9 up to ?10, to be rented by nobody but one while ?11 is 0), the NULL breaks the column's NOT NULL and nothing of the
-- change is kept, its charge neither. Two accounts never get one number, and no month is paid twice.
-- name: turn
INSERT INTO rents (at_ms, phone, account_id, name, amount, currency, until_ms, note)
VALUES (?1, (SELECT phone FROM numbers WHERE phone = ?2 AND account_id = ?9 AND until_ms = ?10 AND shared <= ?11 FOR UPDATE),
    ?3, ?4, ?5, ?6, ?7, ?8)

-- name: turn (sqlite)
INSERT INTO rents (at_ms, phone, account_id, name, amount, currency, until_ms, note)
VALUES (?1, (SELECT phone FROM numbers WHERE phone = ?2 AND account_id = ?9 AND until_ms = ?10 AND shared <= ?11),
    ?3, ?4, ?5, ?6, ?7, ?8)

-- name: of
SELECT at_ms, phone, account_id, name, amount, currency, until_ms, note FROM rents WHERE phone = ? ORDER BY id DESC LIMIT ?
