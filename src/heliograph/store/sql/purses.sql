-- Balances as the hot path moves them; the tables' CHECK refuses an overdraft beyond credit.

-- name: charge
UPDATE accounts SET balance = balance + ?1, last_id = CASE WHEN last_id < ?2 THEN ?3 ELSE last_id END
WHERE id = ?4 RETURNING id, balance

-- name: all
SELECT id, balance, balance2, credit FROM accounts ORDER BY id
