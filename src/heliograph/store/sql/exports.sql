-- Messages of an account for an export, in short reads by key (docs/exports.md).

-- name: page
SELECT int_id, send_ms, created_ms, flags, kind, status, phone, id, sender, text, err, changed_ms, parts, cost, mccmnc,
    comment
FROM messages m WHERE account_id = ? AND int_id > ? AND int_id < ?
    AND NOT EXISTS (SELECT 1 FROM staged s WHERE m.int_id BETWEEN s.first_id AND s.last_id)
ORDER BY int_id LIMIT ?

-- Texts that were stored more than a day before they were due (a partial index holds only them), with an int_id before
-- those of the period.
-- name: later
SELECT int_id, send_ms, created_ms, flags, kind, status, phone, id, sender, text, err, changed_ms, parts, cost, mccmnc,
    comment
FROM messages m WHERE account_id = ?1 AND send_ms - created_ms > 86400000
    AND send_ms >= ?2 AND (send_ms > ?2 OR int_id > ?3) AND send_ms < ?4 AND int_id < ?5
    AND NOT EXISTS (SELECT 1 FROM staged s WHERE m.int_id BETWEEN s.first_id AND s.last_id)
ORDER BY send_ms, int_id LIMIT ?6

-- name: count
SELECT count(*) FROM messages WHERE account_id = ? AND int_id >= ? AND int_id < ?

-- name: count_later
SELECT count(*) FROM messages WHERE account_id = ? AND send_ms - created_ms > 86400000
    AND send_ms >= ? AND send_ms < ? AND int_id < ?
