-- An account's messages, newest first, for those who read back (services/histories.py, docs/adr/0009).
--
-- The rows are those of messages.get. A period is one of send_ms; int_ids bound it roughly. Bit 131,072 of flags is
-- Flag.DELETED; rows of a request that is still being staged count for nobody. Each query must read one index in its
-- order whatever the data is like. SQLite is told its name. PostgreSQL has none to tell: there a comparison of pairs leaves
-- but the index of that pair, and "<>" and coalesce are guessed to keep rows where "=" and NOT EXISTS are guessed to drop them.

-- All but e-mail.
-- name: texts
SELECT int_id, account_id, id, phone, given, kind, flags, sender, text, comment, parts, cost, mccmnc, status, err,
    send_ms, created_ms, changed_ms, expires_ms, lane, route_id, carrier_id, door, fingerprint, refunded, extra,
    tries, tried
FROM messages m
WHERE (account_id, int_id) >= (?1, ?2) AND (account_id, int_id) < (?1, ?3) AND send_ms >= ?4 AND send_ms < ?5
    AND kind <> 8 AND flags & 131072 <> 131072
    AND coalesce((SELECT FALSE FROM staged s WHERE m.int_id BETWEEN s.first_id AND s.last_id LIMIT 1), TRUE)
ORDER BY account_id DESC, int_id DESC LIMIT ?6

-- name: texts (sqlite)
SELECT int_id, account_id, id, phone, given, kind, flags, sender, text, comment, parts, cost, mccmnc, status, err,
    send_ms, created_ms, changed_ms, expires_ms, lane, route_id, carrier_id, door, fingerprint, refunded, extra,
    tries, tried
FROM messages m INDEXED BY messages_account
WHERE account_id = ?1 AND int_id >= ?2 AND int_id < ?3 AND send_ms >= ?4 AND send_ms < ?5
    AND kind <> 8 AND flags & 131072 = 0
    AND NOT EXISTS (SELECT 1 FROM staged s WHERE m.int_id BETWEEN s.first_id AND s.last_id)
ORDER BY int_id DESC LIMIT ?6

-- E-mail.
-- name: mails
SELECT int_id, account_id, id, phone, given, kind, flags, sender, text, comment, parts, cost, mccmnc, status, err,
    send_ms, created_ms, changed_ms, expires_ms, lane, route_id, carrier_id, door, fingerprint, refunded, extra,
    tries, tried
FROM messages m
WHERE (account_id, int_id) >= (?1, ?2) AND (account_id, int_id) < (?1, ?3) AND send_ms >= ?4 AND send_ms < ?5
    AND kind = 8 AND flags & 131072 <> 131072
    AND coalesce((SELECT FALSE FROM staged s WHERE m.int_id BETWEEN s.first_id AND s.last_id LIMIT 1), TRUE)
ORDER BY account_id DESC, int_id DESC LIMIT ?6

-- name: mails (sqlite)
SELECT int_id, account_id, id, phone, given, kind, flags, sender, text, comment, parts, cost, mccmnc, status, err,
    send_ms, created_ms, changed_ms, expires_ms, lane, route_id, carrier_id, door, fingerprint, refunded, extra,
    tries, tried
FROM messages m INDEXED BY messages_mail
WHERE account_id = ?1 AND int_id >= ?2 AND int_id < ?3 AND send_ms >= ?4 AND send_ms < ?5
    AND kind = 8 AND flags & 131072 = 0
    AND NOT EXISTS (SELECT 1 FROM staged s WHERE m.int_id BETWEEN s.first_id AND s.last_id)
ORDER BY int_id DESC LIMIT ?6

-- Of some numbers or addresses (a JSON list of texts, ?8), in the blocks from ?9 to ?10; kinds from ?6 to ?7 without ?11.
-- name: phones
SELECT int_id, account_id, id, phone, given, kind, flags, sender, text, comment, parts, cost, mccmnc, status, err,
    send_ms, created_ms, changed_ms, expires_ms, lane, route_id, carrier_id, door, fingerprint, refunded, extra,
    tries, tried
FROM generate_series(?9::bigint, ?10::bigint) AS b(block)
CROSS JOIN (SELECT DISTINCT jsonb_array_elements_text(?8::jsonb) AS value) AS p
CROSS JOIN LATERAL (
    SELECT * FROM messages m
    WHERE (m.int_id >> 16) = b.block AND m.phone = p.value AND m.account_id = ?1 AND m.int_id + 0 >= ?2
        AND m.int_id + 0 < ?3 AND m.send_ms >= ?4 AND m.send_ms < ?5 AND m.kind BETWEEN ?6 AND ?7 AND m.kind <> ?11
        AND m.flags & 131072 <> 131072
        AND coalesce((SELECT FALSE FROM staged s WHERE m.int_id BETWEEN s.first_id AND s.last_id LIMIT 1), TRUE)
    OFFSET 0
) AS found
ORDER BY int_id DESC LIMIT ?12

-- name: phones (sqlite)
WITH RECURSIVE blocks (block) AS (SELECT ?10 UNION ALL SELECT block - 1 FROM blocks WHERE block > ?9)
SELECT int_id, account_id, id, phone, given, kind, flags, sender, text, comment, parts, cost, mccmnc, status, err,
    send_ms, created_ms, changed_ms, expires_ms, lane, route_id, carrier_id, door, fingerprint, refunded, extra,
    tries, tried
FROM blocks CROSS JOIN (SELECT DISTINCT value FROM json_each(?8)) AS p CROSS JOIN messages m INDEXED BY messages_phone
WHERE (m.int_id >> 16) = block AND m.phone = p.value AND m.account_id = ?1 AND m.int_id >= ?2
    AND m.int_id < ?3 AND m.send_ms >= ?4 AND m.send_ms < ?5 AND m.kind BETWEEN ?6 AND ?7 AND m.kind <> ?11
    AND m.flags & 131072 = 0
    AND NOT EXISTS (SELECT 1 FROM staged s WHERE m.int_id BETWEEN s.first_id AND s.last_id)
ORDER BY int_id DESC LIMIT ?12

-- Those below ?3 that were sent in the period although they were stored long before it: scheduled more than a day ahead.
-- ?8 is empty, or a JSON list of numbers and addresses.
-- name: later
SELECT int_id, account_id, id, phone, given, kind, flags, sender, text, comment, parts, cost, mccmnc, status, err,
    send_ms, created_ms, changed_ms, expires_ms, lane, route_id, carrier_id, door, fingerprint, refunded, extra,
    tries, tried
FROM messages m
WHERE account_id = ?1 AND int_id + 0 < ?2 AND send_ms >= ?3 AND send_ms < ?4 AND send_ms - created_ms > 86400000
    AND kind BETWEEN ?5 AND ?6 AND kind <> ?7 AND flags & 131072 <> 131072
    AND (?8 = '' OR phone || '' = ANY (ARRAY(SELECT jsonb_array_elements_text(nullif(?8, '')::jsonb))))
    AND coalesce((SELECT FALSE FROM staged s WHERE m.int_id BETWEEN s.first_id AND s.last_id LIMIT 1), TRUE)
ORDER BY int_id + 0 DESC LIMIT ?9

-- name: later (sqlite)
SELECT int_id, account_id, id, phone, given, kind, flags, sender, text, comment, parts, cost, mccmnc, status, err,
    send_ms, created_ms, changed_ms, expires_ms, lane, route_id, carrier_id, door, fingerprint, refunded, extra,
    tries, tried
FROM messages m INDEXED BY messages_later
WHERE account_id = ?1 AND int_id < ?2 AND send_ms >= ?3 AND send_ms < ?4 AND send_ms - created_ms > 86400000
    AND kind BETWEEN ?5 AND ?6 AND kind <> ?7 AND flags & 131072 = 0
    AND (?8 = '' OR phone IN (SELECT value FROM json_each(nullif(?8, ''))))
    AND NOT EXISTS (SELECT 1 FROM staged s WHERE m.int_id BETWEEN s.first_id AND s.last_id)
ORDER BY int_id DESC LIMIT ?9
