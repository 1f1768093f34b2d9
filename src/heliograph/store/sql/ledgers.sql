-- The proof of the ledger (design section 8).

-- name: proof
-- One statement is one snapshot on either database. Unsorted and not grouped, it streams: the database holds nothing,
-- and whoever reads makes the sums. The order of the parts is not promised.
SELECT 1, id, balance, balance2, login FROM accounts
UNION ALL SELECT 2, account_id, amount, wallet, name FROM ledger
UNION ALL SELECT 3, account_id, cost, refunded, '' FROM messages m
    WHERE NOT EXISTS (SELECT 1 FROM staged s WHERE m.int_id BETWEEN s.first_id AND s.last_id)
UNION ALL SELECT 4, id, retired, 0, '' FROM accounts
UNION ALL SELECT 4 + wallet, account_id, spent, income, '' FROM statistics

-- name: size
SELECT (SELECT count(*) FROM accounts) * 2 + (SELECT count(*) FROM ledger) + (SELECT count(*) FROM messages)
    + (SELECT count(*) FROM statistics)
