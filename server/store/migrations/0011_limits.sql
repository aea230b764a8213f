-- +goose Up

ALTER TABLE requests ADD COLUMN quiet TEXT NOT NULL DEFAULT ''; -- why it was not pushed; empty: it was

-- How often users were asked since they last approved something.
CREATE TABLE prompts (
    user_id    TEXT   PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    recent     TEXT   NOT NULL, -- JSON: microseconds, oldest first
    streak     BIGINT NOT NULL,
    wait_until BIGINT NOT NULL,
    version    BIGINT NOT NULL
);

-- When users do not want to be woken: minutes of the day where they are.
CREATE TABLE quiet_hours (
    user_id     TEXT   PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    zone        TEXT   NOT NULL, -- IANA
    from_minute BIGINT NOT NULL,
    to_minute   BIGINT NOT NULL
);

-- How much clients ask, as each node adds to it once a second.
CREATE TABLE ask_counts (
    op        TEXT   NOT NULL,
    client_id TEXT   NOT NULL,
    minute    BIGINT NOT NULL, -- since 1970
    asks      BIGINT NOT NULL,
    users     BIGINT NOT NULL, -- different ones, as each node saw them
    PRIMARY KEY (minute, op, client_id)
);

-- Clients that asked for too many users.
CREATE TABLE breakers (
    op         TEXT   NOT NULL,
    client_id  TEXT   NOT NULL,
    open_until BIGINT NOT NULL,
    PRIMARY KEY (op, client_id)
);
CREATE INDEX breakers_due ON breakers (open_until);
