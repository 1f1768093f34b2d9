-- Deferred tasks: exports (core.exports.Task). Few rows: they go when their files expire.

-- Ids never come back, also when all tasks are gone: clients ask for what comes after the last one they know.
-- name: take_id
INSERT INTO facts (name, value) VALUES ('last_task', '1')
ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(facts.value AS BIGINT) + 1 AS TEXT)

-- name: add
INSERT INTO tasks (id, account_id, name, wanted, status, created_ms, started_ms, ended_ms, file, rows_done, rows_all,
    place, complaint)
SELECT CAST(f.value AS BIGINT), CAST(?1 AS BIGINT), CAST(?2 AS TEXT), CAST(?3 AS TEXT), 0, CAST(?4 AS BIGINT), 0, 0,
    CAST(?5 AS TEXT), 0, 0, '', ''
FROM facts f WHERE f.name = 'last_task'
    AND (SELECT count(*) FROM tasks WHERE account_id = CAST(?1 AS BIGINT) AND status IN (0, 1, 2)) < CAST(?6 AS BIGINT)
RETURNING id

-- name: list
SELECT id, account_id, name, wanted, status, created_ms, started_ms, ended_ms, file, rows_done, rows_all, place,
    complaint
FROM tasks WHERE account_id = ? AND id > ? ORDER BY id LIMIT ?

-- name: all
SELECT id, account_id, name, wanted, status, created_ms, started_ms, ended_ms, file, rows_done, rows_all, place,
    complaint
FROM tasks ORDER BY id

-- name: get
SELECT id, account_id, name, wanted, status, created_ms, started_ms, ended_ms, file, rows_done, rows_all, place,
    complaint
FROM tasks WHERE id = ?

-- name: by_file
SELECT id, account_id, name, wanted, status, created_ms, started_ms, ended_ms, file, rows_done, rows_all, place,
    complaint
FROM tasks WHERE file = ?

-- name: running
SELECT id, account_id, name, wanted, status, created_ms, started_ms, ended_ms, file, rows_done, rows_all, place,
    complaint
FROM tasks WHERE status = 1 ORDER BY started_ms, id

-- The next one: accounts take turns, so the one comes first whose last task began the longest ago.
-- name: claim
UPDATE tasks SET status = 1, started_ms = ?
WHERE id = (
    SELECT t.id FROM tasks t WHERE t.status = 0
    ORDER BY (SELECT max(o.started_ms) FROM tasks o WHERE o.account_id = t.account_id), t.id LIMIT 1
)
RETURNING id, account_id, name, wanted, status, created_ms, started_ms, ended_ms, file, rows_done, rows_all, place,
    complaint

-- name: progress
UPDATE tasks SET rows_done = ?, rows_all = ?, place = ? WHERE id = ? AND status = 1 RETURNING id

-- name: end
UPDATE tasks SET status = ?, ended_ms = ?, rows_done = ?, rows_all = ?, complaint = ? WHERE id = ? AND status = 1
RETURNING id

-- name: cancel
UPDATE tasks SET status = 3, ended_ms = ? WHERE id = ? AND account_id = ? AND status IN (0, 1, 2) RETURNING file

-- name: expire
DELETE FROM tasks WHERE status >= 2 AND ended_ms < ? RETURNING file

-- name: files
SELECT file, status FROM tasks WHERE status IN (1, 2)

-- name: states
SELECT status, count(*) FROM tasks GROUP BY status ORDER BY status
