-- +goose Up

-- Both databases run this text, so column types are TEXT, BIGINT, BOOLEAN and
-- BYTEA alone. Times are Unix microseconds, 0 for "never". What is marked sealed
-- is ciphertext of server/seal, bound to table, row and column.

CREATE TABLE users (
    id             TEXT   PRIMARY KEY,
    op             TEXT   NOT NULL,
    subject        TEXT   NOT NULL,
    name           TEXT   NOT NULL,
    code_failures  BIGINT NOT NULL DEFAULT 0, -- wrong codes in a row, across requests
    code_failed_at BIGINT NOT NULL DEFAULT 0,
    created_at     BIGINT NOT NULL,
    UNIQUE (op, subject)
);

CREATE TABLE hints (
    op         TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    hash       BYTEA  NOT NULL, -- keyed: an e-mail address hashed plainly is guessed in an hour
    user_id    TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (op, kind, hash)
);

CREATE TABLE enrollments (
    id          TEXT   PRIMARY KEY,
    user_id     TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    secret_hash BYTEA  NOT NULL UNIQUE,
    match_code  TEXT   NOT NULL,
    session_id  TEXT   NOT NULL,
    device_name TEXT   NOT NULL,
    device_id   TEXT   NOT NULL,
    state       TEXT   NOT NULL,
    offered_by  TEXT   NOT NULL, -- JSON
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    version     BIGINT NOT NULL
);
CREATE INDEX enrollments_due ON enrollments (expires_at)
    WHERE state IN ('offered', 'claimed', 'confirmed');

CREATE TABLE ceremonies (
    enrollment_id TEXT   PRIMARY KEY REFERENCES enrollments (id) ON DELETE CASCADE,
    data          BYTEA  NOT NULL, -- sealed
    created_at    BIGINT NOT NULL
);

CREATE TABLE devices (
    id            TEXT   PRIMARY KEY,
    user_id       TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    enrollment_id TEXT   NOT NULL UNIQUE REFERENCES enrollments (id),
    name          TEXT   NOT NULL,
    state         TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    revoked_at    BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX devices_user ON devices (user_id, created_at);
CREATE INDEX devices_revoked ON devices (revoked_at) WHERE state = 'revoked';

CREATE TABLE addresses (
    id         TEXT   PRIMARY KEY,
    device_id  TEXT   NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    channel    TEXT   NOT NULL,
    target     BYTEA  NOT NULL, -- sealed
    created_at BIGINT NOT NULL
);
CREATE INDEX addresses_device ON addresses (device_id, created_at, id);

CREATE TABLE credentials (
    id              TEXT    PRIMARY KEY,
    device_id       TEXT    NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    webauthn_id     BYTEA   NOT NULL UNIQUE, -- WebAuthn §7.1 step 26: of one user only
    public_key      BYTEA   NOT NULL,
    aaguid          BYTEA   NOT NULL,
    attestation     TEXT    NOT NULL,
    sign_count      BIGINT  NOT NULL,
    backup_eligible BOOLEAN NOT NULL,
    backed_up       BOOLEAN NOT NULL,
    transports      TEXT    NOT NULL, -- JSON
    created_at      BIGINT  NOT NULL,
    used_at         BIGINT  NOT NULL DEFAULT 0
);
CREATE INDEX credentials_device ON credentials (device_id, created_at);

CREATE TABLE sessions (
    id         TEXT   PRIMARY KEY, -- SHA-256 of the token
    jkt        TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- The key lets a session stand for one device of each user.
CREATE TABLE session_devices (
    session_id TEXT   NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    user_id    TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    device_id  TEXT   NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (session_id, user_id)
);
CREATE INDEX session_devices_device ON session_devices (device_id);

CREATE TABLE requests (
    id              TEXT   PRIMARY KEY,
    op              TEXT   NOT NULL,
    ref_hash        BYTEA  NOT NULL,
    fingerprint     BYTEA  NOT NULL,
    handle          BYTEA,           -- sealed; null once nobody needs it
    user_id         TEXT   REFERENCES users (id) ON DELETE CASCADE, -- null: nobody we know
    client_id       TEXT   NOT NULL,
    client_name     TEXT   NOT NULL,
    scope           TEXT   NOT NULL, -- JSON
    binding_message TEXT   NOT NULL,
    acr_values      TEXT   NOT NULL, -- JSON
    context         TEXT   NOT NULL, -- JSON
    code_source     TEXT   NOT NULL,
    code_key        TEXT   NOT NULL,
    code_mac        BYTEA,           -- keyed hash
    code_tries      BIGINT NOT NULL,
    state           TEXT   NOT NULL,
    decision        TEXT,            -- JSON; null until decided
    created_at      BIGINT NOT NULL,
    expires_at      BIGINT NOT NULL,
    report_after    BIGINT NOT NULL,
    version         BIGINT NOT NULL,
    UNIQUE (op, ref_hash)
);
CREATE INDEX requests_due ON requests (expires_at) WHERE state = 'pending';
CREATE INDEX requests_waiting ON requests (user_id, created_at) WHERE state = 'pending';
CREATE INDEX requests_newest ON requests (created_at, id);

CREATE TABLE challenges (
    request_id TEXT   NOT NULL REFERENCES requests (id) ON DELETE CASCADE,
    device_id  TEXT   NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    nonce      BYTEA  NOT NULL,
    view       BYTEA  NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (request_id, device_id)
);
CREATE INDEX challenges_device ON challenges (device_id);

CREATE TABLE evidence (
    request_id TEXT   PRIMARY KEY REFERENCES requests (id) ON DELETE CASCADE,
    jws        TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE outbox (
    id          TEXT    PRIMARY KEY,
    kind        TEXT    NOT NULL,
    subject     TEXT    NOT NULL,
    target      TEXT    NOT NULL,
    attempts    BIGINT  NOT NULL DEFAULT 0,
    sending     BOOLEAN NOT NULL DEFAULT FALSE, -- bytes may have left
    due_at      BIGINT  NOT NULL,
    lease       TEXT    NOT NULL DEFAULT '',    -- of the claim that holds it
    lease_until BIGINT  NOT NULL DEFAULT 0,
    created_at  BIGINT  NOT NULL,
    done_at     BIGINT  NOT NULL DEFAULT 0,
    outcome     TEXT    NOT NULL DEFAULT '',
    cause       TEXT    NOT NULL DEFAULT ''
);
CREATE INDEX outbox_due ON outbox (due_at) WHERE done_at = 0;
-- A second report of one request is what must never exist.
CREATE UNIQUE INDEX outbox_report ON outbox (subject) WHERE kind = 'report';

CREATE TABLE audit (
    id         TEXT   PRIMARY KEY,
    at         BIGINT NOT NULL,
    word       TEXT   NOT NULL,
    actor_kind TEXT   NOT NULL,
    actor_id   TEXT   NOT NULL,
    actor_ip   TEXT   NOT NULL,
    request_id TEXT   NOT NULL,
    user_id    TEXT   NOT NULL,
    device_id  TEXT   NOT NULL,
    detail     TEXT   NOT NULL, -- JSON
    salt       BYTEA  NOT NULL  -- random: a hash of the row tells nothing of its content
);
CREATE INDEX audit_at ON audit (at, id);
CREATE INDEX audit_request ON audit (request_id) WHERE request_id <> '';
