-- What waits, for people (design section 11). The hot path has its own queries of the queue.

-- name: depth
SELECT q.carrier_id, coalesce(c.name, ''), q.lane, count(*),
    sum(CASE WHEN q.due_ms <= ? AND q.started_ms = 0 THEN 1 ELSE 0 END),
    sum(CASE WHEN q.started_ms > 0 THEN 1 ELSE 0 END), sum(q.unsure),
    min(CASE WHEN q.started_ms = 0 THEN q.due_ms END)
FROM queue q LEFT JOIN carriers c ON c.id = q.carrier_id
GROUP BY q.carrier_id, c.name, q.lane ORDER BY q.carrier_id, q.lane

-- name: callbacks
SELECT count(*), min(due_ms) FROM callbacks

-- name: deliveries
SELECT count(*) FROM deliveries

-- name: orphans
SELECT count(*) FROM orphans

-- name: answered
-- Parts that carriers took lately: their speed tells how long the rest will last.
SELECT carrier_id, count(*), min(answered_ms), max(answered_ms) FROM (
    SELECT p.carrier_id, p.answered_ms FROM parts p WHERE p.outcome = 'accepted'
    ORDER BY p.int_id DESC LIMIT 2000) AS latest
WHERE answered_ms >= ? GROUP BY carrier_id
