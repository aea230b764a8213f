-- +goose Up

-- What the attestation of a passkey proved when it was made; 0 and empty for one
-- that proved nothing. What is known against its model is in a file, not here.
ALTER TABLE credentials ADD COLUMN attested_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE credentials ADD COLUMN model TEXT NOT NULL DEFAULT '';
ALTER TABLE credentials ADD COLUMN key_protection TEXT NOT NULL DEFAULT '';
