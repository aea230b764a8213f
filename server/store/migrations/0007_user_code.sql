-- +goose Up

-- A secret of the user's own, which OPs have verified before they ask (CIBA Core's user_code).
CREATE TABLE user_codes (
    user_id TEXT   PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    hash    TEXT   NOT NULL, -- argon2id of a keyed hash, with its parameters
    set_at  BIGINT NOT NULL
);

-- How clients fared with it. A new code leaves this as it is.
CREATE TABLE user_code_tries (
    tried        TEXT   NOT NULL, -- a user's id, or a name for many who are nobody
    client_id    TEXT   NOT NULL,
    user_id      TEXT   REFERENCES users (id) ON DELETE CASCADE, -- null: nobody we know
    failures     BIGINT NOT NULL, -- in a row
    locked_until BIGINT NOT NULL,
    version      BIGINT NOT NULL,
    PRIMARY KEY (tried, client_id)
);
CREATE INDEX user_code_tries_user ON user_code_tries (user_id) WHERE user_id IS NOT NULL;
