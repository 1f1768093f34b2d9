-- Short links of accounts (core/links.py), one row for each address of an account.

-- name: last
SELECT coalesce(max(id), 0) FROM links

-- name: add
INSERT INTO links (id, account_id, url, plain, created_ms) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (account_id, url) DO NOTHING

-- name: find
SELECT id FROM links WHERE account_id = ? AND url = ?

-- name: get
SELECT id, account_id, url, created_ms FROM links WHERE id = ?

-- The newest with this plain form.
-- name: find_plain
SELECT id FROM links WHERE account_id = ? AND plain = ? ORDER BY id DESC LIMIT 1

-- Where the codes of links and trails lead: the id asked for, its link, the address, the message of a trail. The list of
-- ids is a JSON array.
-- name: targets (sqlite)
SELECT id, id, url, 0 FROM links WHERE id IN (SELECT value FROM json_each(?1))
UNION ALL
SELECT t.id, t.link_id, l.url, t.int_id FROM trails t JOIN links l ON l.id = t.link_id
WHERE t.id IN (SELECT value FROM json_each(?1))

-- name: targets (postgres)
SELECT id, id, url, 0::bigint FROM links WHERE id = ANY(ARRAY(SELECT json_array_elements_text($1::json)::bigint))
UNION ALL
SELECT t.id, t.link_id, l.url, t.int_id FROM trails t JOIN links l ON l.id = t.link_id
WHERE t.id = ANY(ARRAY(SELECT json_array_elements_text($1::json)::bigint))

-- Links of an account, newest first, with all their clicks.
-- name: page
SELECT l.id, l.url, l.created_ms,
    (SELECT coalesce(sum(c.count), 0) FROM clicks c WHERE c.link_id = l.id)
FROM links l WHERE l.account_id = ? AND l.id < ? ORDER BY l.id DESC LIMIT ?
