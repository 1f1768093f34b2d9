-- Clicks on short links, counted by quarters of an hour.

-- name: add
INSERT INTO clicks (link_id, quarter, count) VALUES (?, ?, ?)
ON CONFLICT (link_id, quarter) DO UPDATE SET count = clicks.count + excluded.count

-- All of a link, and those since the beginnings of day, yesterday, month and the month before, without what came after.
-- name: sums
SELECT coalesce(sum(count), 0),
    coalesce(sum(CASE WHEN quarter >= ?2 THEN count END), 0),
    coalesce(sum(CASE WHEN quarter >= ?3 AND quarter < ?2 THEN count END), 0),
    coalesce(sum(CASE WHEN quarter >= ?4 THEN count END), 0),
    coalesce(sum(CASE WHEN quarter >= ?5 AND quarter < ?4 THEN count END), 0)
FROM clicks WHERE link_id = ?1
