-- Letters that have become texts (gateways/postroom.py).

-- name: add
INSERT INTO letters (digest, at_ms) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING

-- name: find
SELECT at_ms FROM letters WHERE digest = ?

-- name: forget
DELETE FROM letters WHERE digest IN (SELECT digest FROM letters WHERE at_ms < ? ORDER BY at_ms LIMIT 500)
RETURNING at_ms
