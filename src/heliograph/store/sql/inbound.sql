-- Texts from subscribers.

-- name: add
INSERT INTO inbound (id, carrier_id, received_ms, sent_ms, phone, to_phone, text, extra, account_id, int_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: last
SELECT coalesce(max(id), 0) FROM inbound

-- name: received
SELECT id, received_ms FROM inbound WHERE id >= ? ORDER BY id LIMIT 1

-- name: latest
SELECT id, carrier_id, received_ms, sent_ms, phone, to_phone, text, extra, account_id, int_id FROM inbound
WHERE id < ? ORDER BY id DESC LIMIT ?

-- name: latest_of
SELECT id, carrier_id, received_ms, sent_ms, phone, to_phone, text, extra, account_id, int_id FROM inbound
WHERE account_id = ? AND id < ? ORDER BY id DESC LIMIT ?

-- Of an account, oldest first; ?4 is empty, or a JSON list of the numbers that were written to.
-- name: of
SELECT id, carrier_id, received_ms, sent_ms, phone, to_phone, text, extra, account_id, int_id FROM inbound
WHERE account_id = ?1 AND id > ?2 AND received_ms >= ?3
    AND (?4 = '' OR to_phone = ANY (ARRAY(SELECT jsonb_array_elements_text(nullif(?4, '')::jsonb))))
ORDER BY id LIMIT ?5

-- name: of (sqlite)
SELECT id, carrier_id, received_ms, sent_ms, phone, to_phone, text, extra, account_id, int_id
FROM inbound INDEXED BY inbound_account
WHERE account_id = ?1 AND id > ?2 AND received_ms >= ?3
    AND (?4 = '' OR to_phone IN (SELECT value FROM json_each(nullif(?4, ''))))
ORDER BY id LIMIT ?5

-- Who has last written to each of some numbers (a JSON list, ?1), in the blocks of messages from ?2 to ?3: what was
-- stored from ?4 on, due by ?5, and went out. Bit 65,536 of flags is Flag.TEST; kinds 4 and 5 reach nobody's eyes.
-- name: asked
SELECT DISTINCT ON (phone) phone, account_id, int_id FROM generate_series(?2::bigint, ?3::bigint) AS b(block)
CROSS JOIN (SELECT jsonb_array_elements_text(?1::jsonb) AS value) AS p
CROSS JOIN LATERAL (
    SELECT phone, account_id, int_id FROM messages m
    WHERE (m.int_id >> 16) = b.block AND m.phone = p.value AND m.created_ms >= ?4 AND m.send_ms <= ?5
        AND m.status NOT IN (-2, 22, 23, 24, 25) AND m.kind NOT IN (4, 5, 8) AND m.flags & 65536 <> 65536
        AND coalesce((SELECT FALSE FROM staged s WHERE m.int_id BETWEEN s.first_id AND s.last_id LIMIT 1), TRUE)
    OFFSET 0
) AS found
ORDER BY phone, int_id DESC

-- name: asked (sqlite)
WITH RECURSIVE blocks (block) AS (SELECT ?3 UNION ALL SELECT block - 1 FROM blocks WHERE block > ?2)
SELECT phone, account_id, max(int_id)
FROM blocks CROSS JOIN json_each(?1) AS p CROSS JOIN messages m INDEXED BY messages_phone
WHERE (m.int_id >> 16) = block AND m.phone = p.value AND m.created_ms >= ?4 AND m.send_ms <= ?5
    AND m.status NOT IN (-2, 22, 23, 24, 25) AND m.kind NOT IN (4, 5, 8) AND m.flags & 65536 = 0
    AND NOT EXISTS (SELECT 1 FROM staged s WHERE m.int_id BETWEEN s.first_id AND s.last_id)
GROUP BY phone

-- Answers to incoming texts from one on, as their stories say.
-- name: answered
SELECT i.account_id, i.phone, e.name, e.at_us FROM inbound i JOIN events e ON e.int_id = -i.id
WHERE i.id >= ?1 AND i.id < ?1 + ?2 AND e.name IN ('reply', 'confirm') ORDER BY e.at_us

-- name: get
SELECT id, carrier_id, received_ms, sent_ms, phone, to_phone, text, extra, account_id, int_id FROM inbound WHERE id = ?
