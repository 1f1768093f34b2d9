-- Number ranges of operators and regions, by their source.

-- name: sources
SELECT source, count(*), min(first), max(last) FROM ranges GROUP BY source ORDER BY source

-- name: remove_source
DELETE FROM ranges WHERE source = ?

-- name: put
-- The same range from another source: what came last holds.
INSERT INTO ranges (first, last, country, operator, region, mcc, mnc, tz, source) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (first, last) DO UPDATE SET country = excluded.country, operator = excluded.operator,
    region = excluded.region, mcc = excluded.mcc, mnc = excluded.mnc, tz = excluded.tz, source = excluded.source
