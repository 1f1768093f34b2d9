-- Small facts of the installation (design section 5: read-mostly facts have a version).

-- name: raise_version
-- First in every change that a running server must see: the row also makes such changes take turns.
UPDATE facts SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE name = 'version'

-- name: put
INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value
