-- Parts of long incoming texts (core/inbound.py says how they are put together).

-- name: put
INSERT INTO fragments (id, carrier_id, phone, to_phone, reference, total, number, text, sent_ms, received_ms, smsc)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: drop
DELETE FROM fragments WHERE id = ?

-- Those of some references, oldest first; ?1 is a JSON list of [carrier_id, phone, to_phone, reference, total].
-- name: of
SELECT f.carrier_id, f.phone, f.to_phone, f.reference, f.total, f.id, f.number, f.text, f.sent_ms, f.received_ms, f.smsc
FROM (SELECT jsonb_array_elements(?1::jsonb) AS value) AS k
CROSS JOIN LATERAL (
    SELECT * FROM fragments
    WHERE carrier_id = (k.value->>0)::bigint AND phone = k.value->>1 AND to_phone = k.value->>2
        AND reference = (k.value->>3)::bigint AND total = (k.value->>4)::bigint
    OFFSET 0
) AS f
ORDER BY f.id

-- name: of (sqlite)
SELECT f.carrier_id, f.phone, f.to_phone, f.reference, f.total, f.id, f.number, f.text, f.sent_ms, f.received_ms, f.smsc
FROM json_each(?1) AS k CROSS JOIN fragments f INDEXED BY fragments_set
WHERE f.carrier_id = json_extract(k.value, '$[0]') AND f.phone = json_extract(k.value, '$[1]')
    AND f.to_phone = json_extract(k.value, '$[2]') AND f.reference = json_extract(k.value, '$[3]')
    AND f.total = json_extract(k.value, '$[4]')
ORDER BY f.id

-- References of which something came before a moment (microseconds), oldest first.
-- name: old
SELECT DISTINCT carrier_id, phone, to_phone, reference, total
FROM (SELECT * FROM fragments WHERE id < ? ORDER BY id LIMIT ?) AS f

-- name: waiting
SELECT count(*) FROM (SELECT 1 FROM fragments WHERE number > 0 LIMIT 1000000) AS f
