-- +goose Up

-- Which JWTs of OPs were used, until none of them could be used again.
CREATE TABLE assertions (
    id         BYTEA  PRIMARY KEY, -- keyed hash of the connection and the jti
    expires_at BIGINT NOT NULL
);
CREATE INDEX assertions_due ON assertions (expires_at);
