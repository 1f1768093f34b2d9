-- Texts from subscribers.

-- name: add
INSERT INTO inbound (id, carrier_id, received_ms, sent_ms, phone, to_phone, text, extra) VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: last
SELECT coalesce(max(id), 0) FROM inbound

-- name: latest
SELECT id, carrier_id, received_ms, sent_ms, phone, to_phone, text, extra FROM inbound WHERE id < ? ORDER BY id DESC LIMIT ?
