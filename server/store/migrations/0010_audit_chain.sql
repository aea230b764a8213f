-- +goose Up

-- The chain over the log. A link is a row's place in it and the hash of the row,
-- written after the fact, so that what is logged costs no more than before.
CREATE TABLE audit_links (
    seq     BIGINT PRIMARY KEY,
    row_id  TEXT   NOT NULL UNIQUE,
    hash    BYTEA  NOT NULL,
    removed TEXT   NOT NULL DEFAULT '' -- the removal that took the row's content away
);
CREATE INDEX audit_links_removed ON audit_links (removed) WHERE removed <> '';

-- Links that were signed together. The number is the compare-and-set by which one
-- node at a time seals.
CREATE TABLE audit_batches (
    n          BIGINT PRIMARY KEY,
    first_seq  BIGINT NOT NULL,
    last_seq   BIGINT NOT NULL,
    prev       BYTEA  NOT NULL, -- hash of the batch before
    hash       BYTEA  NOT NULL,
    cursor_at  BIGINT NOT NULL, -- up to which row the log was read
    cursor_id  TEXT   NOT NULL,
    sealed_at  BIGINT NOT NULL,
    checkpoint TEXT   NOT NULL  -- JWS
);

-- Why content is gone that was sealed.
CREATE TABLE audit_removals (
    id        TEXT   PRIMARY KEY,
    at        BIGINT NOT NULL,
    statement TEXT   NOT NULL -- JWS
);

-- Users whose rows are to lose their content, once all of them are sealed.
CREATE TABLE audit_erasures (
    user_id TEXT   PRIMARY KEY,
    at      BIGINT NOT NULL,
    by_name TEXT   NOT NULL
);
