-- Letters that have become texts (docs/smtp.md), so that one brought again after a lost answer sends nothing. They are known
-- for as long as mail servers try: days.
CREATE TABLE letters (
    digest TEXT PRIMARY KEY,                     -- of account, address, Message-ID and body
    at_ms INTEGER NOT NULL
);
CREATE INDEX letters_at ON letters (at_ms);
