-- What the carrier answered to each part of each try.

-- name: add
INSERT INTO parts (int_id, try, part, carrier_id, ref, link, sent_ms, answered_ms, outcome, code, status, err)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (int_id, try, part) DO UPDATE SET carrier_id = excluded.carrier_id, ref = excluded.ref,
    link = excluded.link, sent_ms = excluded.sent_ms, answered_ms = excluded.answered_ms, outcome = excluded.outcome,
    code = excluded.code, status = excluded.status, err = excluded.err

-- name: move
-- Of the latest try of that part: others may have been tried again alone.
UPDATE parts SET status = ?1, err = ?2 WHERE int_id = ?3 AND part = ?4
    AND try = (SELECT max(p.try) FROM parts p WHERE p.int_id = ?3 AND p.part = ?4)

-- name: of
SELECT try, part, carrier_id, ref, link, sent_ms, answered_ms, outcome, code, status, err FROM parts
WHERE int_id = ? ORDER BY try, part

-- The 16 spellings a look-up asks for are padded with ''.
-- name: by_ref
SELECT p.int_id, p.try, p.part, p.ref, m.phone, p.answered_ms FROM parts p JOIN messages m ON m.int_id = p.int_id
WHERE p.ref <> '' AND p.ref IN (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
    AND p.carrier_id = ?1
ORDER BY p.int_id DESC LIMIT 20
