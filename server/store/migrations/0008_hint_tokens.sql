-- +goose Up

-- The one device that is to see a request; empty: each of the user's.
ALTER TABLE requests ADD COLUMN only_device TEXT NOT NULL DEFAULT '';

-- A session whose passkey said so may show codes as this device for a while.
CREATE TABLE hint_grants (
    session_id TEXT   NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    device_id  TEXT   NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    shown      BIGINT NOT NULL, -- codes so far
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (session_id, device_id)
);
CREATE INDEX hint_grants_device ON hint_grants (device_id);
CREATE INDEX hint_grants_due ON hint_grants (expires_at);

-- What means a device once.
CREATE TABLE hint_tokens (
    hash       BYTEA  PRIMARY KEY, -- keyed
    kind       TEXT   NOT NULL,    -- token: a phone shows it; ref: an OP was given it for one
    device_id  TEXT   NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    op         TEXT   NOT NULL,    -- the connection that may spend it
    client_id  TEXT   NOT NULL,    -- for which client; empty: for any
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    spent_at   BIGINT NOT NULL DEFAULT 0,
    spent_for  BYTEA               -- what finds it again though it is spent
);
CREATE INDEX hint_tokens_device ON hint_tokens (device_id, created_at);
CREATE INDEX hint_tokens_due ON hint_tokens (expires_at);
