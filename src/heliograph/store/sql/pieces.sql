-- Parts of long texts that customers send one by one (services/pieces.py).

-- name: add
INSERT INTO pieces (int_id, account_id, message_id, received_ms, reference, total, number, source, destination, data, wishes)
VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?)

-- It has become part of a message (or, with -1, was refused): what it said is not needed any more.
-- name: join
UPDATE pieces SET message_id = ?, data = '' WHERE int_id = ?

-- name: waiting
SELECT int_id, account_id, received_ms, reference, total, number, source, destination, data, wishes
FROM pieces WHERE message_id = 0 ORDER BY int_id

-- name: of
SELECT int_id FROM pieces WHERE message_id = ? ORDER BY number, int_id

-- name: get
SELECT int_id, account_id, message_id, received_ms, source, destination, wishes FROM pieces WHERE int_id = ?

-- name: last
SELECT coalesce(max(int_id), 0) FROM pieces

-- Those that were refused, or whose message has left the history; a portion at a time. The newest stays: ids go on behind it.
-- name: expire
DELETE FROM pieces WHERE int_id IN (SELECT p.int_id FROM pieces p WHERE p.received_ms < ? AND p.message_id <> 0
    AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.int_id = p.message_id)
    AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.account_id = p.account_id AND d.int_id = p.int_id)
    AND p.int_id < (SELECT max(int_id) FROM pieces) LIMIT ?)

-- The customer has sent it once more: its answer waits for this, and so for the part itself.
-- name: touch
UPDATE pieces SET received_ms = ? WHERE int_id = ?
