-- Most rows of these two tables live for a moment and are never looked for: texts that are started when they are
-- stored, and news that is told from memory. Only the others are worth an entry in the index.
DROP INDEX queue_due;
CREATE INDEX queue_due ON queue (carrier_id, lane, due_ms) WHERE started_ms = 0;
DROP INDEX callbacks_due;
CREATE INDEX callbacks_due ON callbacks (due_ms) WHERE tries > 0;
