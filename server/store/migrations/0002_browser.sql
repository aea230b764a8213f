-- +goose Up

-- A user who has just signed in at her OP, in front of the first screen.
CREATE TABLE desk_sessions (
    id         TEXT   PRIMARY KEY, -- SHA-256 of the token
    user_id    TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    op         TEXT   NOT NULL,
    auth_time  BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX desk_sessions_due ON desk_sessions (expires_at);
CREATE INDEX desk_sessions_user ON desk_sessions (user_id);

-- What a passkey is to sign that is no request.
CREATE TABLE gestures (
    id         TEXT   PRIMARY KEY,
    device_id  TEXT   REFERENCES devices (id) ON DELETE CASCADE, -- null: whose it is the answer tells
    purpose    TEXT   NOT NULL,
    nonce      BYTEA  NOT NULL,
    statement  BYTEA  NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX gestures_due ON gestures (expires_at);
CREATE INDEX gestures_device ON gestures (device_id) WHERE device_id IS NOT NULL;

CREATE INDEX sessions_due ON sessions (expires_at);
CREATE INDEX requests_decided ON requests (user_id, created_at) WHERE state <> 'pending';
