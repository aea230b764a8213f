-- +goose Up

-- Clients that may not ask a user for a while, because she said that she did not
-- start what they asked. One that is over counts for nothing and is swept.
CREATE TABLE freezes (
    user_id    TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id  TEXT   NOT NULL, -- of the user's OP
    device_id  TEXT   NOT NULL, -- that said so
    request_id TEXT   NOT NULL, -- of which it said so
    created_at BIGINT NOT NULL,
    until      BIGINT NOT NULL,
    PRIMARY KEY (user_id, client_id)
);
CREATE INDEX freezes_due ON freezes (until);

-- Users for whom everything is stopped until an administrator says otherwise.
CREATE TABLE user_locks (
    user_id    TEXT   PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    actor_kind TEXT   NOT NULL,
    actor_id   TEXT   NOT NULL,
    locked_at  BIGINT NOT NULL
);
