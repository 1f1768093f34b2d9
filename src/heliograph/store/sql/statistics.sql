-- Counters by account, quarter of an hour, wallet and currency (services/entries.py writes them beside the ledger).

-- name: add
INSERT INTO statistics (account_id, quarter, wallet, currency, texts, spent, income) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (account_id, quarter, wallet, currency) DO UPDATE SET texts = statistics.texts + excluded.texts,
    spent = statistics.spent + excluded.spent, income = statistics.income + excluded.income

-- Sums of an account and a wallet from one quarter up to another (not with it), one row a currency.
-- name: sum
SELECT currency, CAST(sum(texts) AS BIGINT), CAST(sum(spent) AS BIGINT), CAST(sum(income) AS BIGINT) FROM statistics
WHERE account_id = ? AND quarter >= ? AND quarter < ? AND wallet = ? GROUP BY currency ORDER BY currency
