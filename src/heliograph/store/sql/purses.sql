-- Balances as the hot path moves them; the tables' CHECK refuses an overdraft beyond credit.

-- The amount is in the currency that the account had when it was decided: when it has another by now, the NULL breaks
-- the column's NOT NULL, and nothing of the change is kept.
-- name: charge
UPDATE accounts SET balance = balance + ?1, last_id = CASE WHEN last_id < ?2 THEN ?3 ELSE last_id END,
    currency = CASE WHEN currency = ?5 THEN currency END
WHERE id = ?4 RETURNING id, balance

-- name: all
SELECT id, balance, balance2, credit FROM accounts ORDER BY id
