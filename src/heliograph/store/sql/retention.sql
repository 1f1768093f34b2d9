-- Old messages that leave the history (services/retention.py). Lists of ids are written 1,2,3.

-- In the order of the index (account_id, int_id), from the oldest on.
-- name: page
SELECT m.int_id, m.created_ms, m.changed_ms, m.status, m.flags,
    CASE WHEN EXISTS (SELECT 1 FROM queue q WHERE q.int_id = m.int_id) THEN 1 ELSE 0 END
FROM messages m WHERE m.account_id = ? AND m.int_id > ? AND m.int_id < ? ORDER BY m.int_id LIMIT ?

-- Messages with news that is still to be told. The table holds little, so it has no index for this.
-- name: untold
SELECT int_id FROM callbacks WHERE int_id BETWEEN ?1 AND ?2
UNION SELECT int_id FROM deliveries WHERE int_id BETWEEN ?1 AND ?2

-- name: retire
UPDATE accounts SET retired = retired + (SELECT coalesce(sum(m.cost - m.refunded), 0) FROM messages m
    WHERE m.int_id IN (SELECT value FROM json_each('[' || ?2 || ']')) AND m.changed_ms < ?3) WHERE id = ?1

-- name: retire (postgres)
UPDATE accounts SET retired = retired + (SELECT coalesce(sum(m.cost - m.refunded), 0)::bigint FROM messages m
    WHERE m.int_id = ANY (string_to_array($2, ',')::bigint[]) AND m.changed_ms < $3) WHERE id = $1

-- name: messages
DELETE FROM messages WHERE int_id IN (SELECT value FROM json_each('[' || ?1 || ']')) AND changed_ms < ?2
RETURNING int_id

-- name: messages (postgres)
DELETE FROM messages WHERE int_id = ANY (string_to_array($1, ',')::bigint[]) AND changed_ms < $2 RETURNING int_id

-- What hangs on them, once they are gone.
-- name: parts
DELETE FROM parts WHERE int_id IN (SELECT value FROM json_each('[' || ?1 || ']'))
    AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.int_id = parts.int_id)

-- name: parts (postgres)
DELETE FROM parts WHERE int_id = ANY (string_to_array($1, ',')::bigint[])
    AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.int_id = parts.int_id)

-- name: events
DELETE FROM events WHERE int_id IN (SELECT value FROM json_each('[' || ?1 || ']'))
    AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.int_id = events.int_id)

-- name: events (postgres)
DELETE FROM events WHERE int_id = ANY (string_to_array($1, ',')::bigint[])
    AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.int_id = events.int_id)

-- The newest stays: ids go on from it, or an old code in somebody's phone would lead to another address one day.
-- name: trails
DELETE FROM trails WHERE int_id IN (SELECT value FROM json_each('[' || ?1 || ']'))
    AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.int_id = trails.int_id)
    AND id < (SELECT max(id) FROM trails)

-- name: trails (postgres)
DELETE FROM trails WHERE int_id = ANY (string_to_array($1, ',')::bigint[])
    AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.int_id = trails.int_id)
    AND id < (SELECT max(id) FROM trails)
