-- What became of every message, for the drill (design section 11).

-- name: page
SELECT m.int_id, m.id, m.phone, m.text, m.status, m.err,
    (SELECT count(*) FROM queue q WHERE q.int_id = m.int_id),
    (SELECT min(e.at_us) FROM events e WHERE e.int_id = m.int_id AND e.name = 'unsure'),
    (SELECT count(*) FROM callbacks c WHERE c.int_id = m.int_id), m.changed_ms
FROM messages m
WHERE m.int_id > ? AND NOT EXISTS (SELECT 1 FROM staged s WHERE m.int_id BETWEEN s.first_id AND s.last_id)
ORDER BY m.int_id LIMIT ?
