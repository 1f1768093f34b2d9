-- What a receipt without its message tells beside its status (the result of a number query), core.messages.Extra as JSON.
ALTER TABLE orphans ADD COLUMN extra TEXT NOT NULL DEFAULT '';
