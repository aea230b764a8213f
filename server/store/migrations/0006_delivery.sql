-- +goose Up

-- Where a job goes, so that what became of it can be read when the address is gone.
ALTER TABLE outbox ADD COLUMN channel   TEXT    NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN device_id TEXT    NOT NULL DEFAULT '';    -- empty: it goes to no device
ALTER TABLE outbox ADD COLUMN leads     BOOLEAN NOT NULL DEFAULT FALSE; -- the device's other addresses wait for how this one ends
UPDATE outbox SET
    channel   = COALESCE((SELECT a.channel FROM addresses a WHERE a.id = outbox.target), ''),
    device_id = COALESCE((SELECT a.device_id FROM addresses a WHERE a.id = outbox.target), '')
WHERE kind IN ('notify', 'clear') AND subject IN (SELECT id FROM requests WHERE state = 'pending');
CREATE INDEX outbox_deliveries ON outbox (subject) WHERE device_id <> '';

ALTER TABLE addresses ADD COLUMN doubtful_since BIGINT NOT NULL DEFAULT 0; -- since when nothing came through; 0: it holds
CREATE INDEX outbox_tests ON outbox (subject, created_at) WHERE kind = 'test';

-- What happened of late to what sessions stand for. Whoever holds sockets reads it
-- twice a second, and so need not read each session that connects again.
CREATE TABLE session_changes (
    session_id TEXT   NOT NULL,
    device_id  TEXT   NOT NULL, -- that it stands for besides; empty: it is over
    changed_at BIGINT NOT NULL
);
CREATE INDEX session_changes_at ON session_changes (changed_at);
