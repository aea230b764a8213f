-- +goose Up

ALTER TABLE addresses ADD COLUMN key         BYTEA;                     -- sealed; null: the device brought none
ALTER TABLE addresses ADD COLUMN locale      TEXT   NOT NULL DEFAULT '';
ALTER TABLE addresses ADD COLUMN target_hash BYTEA;                     -- keyed hash; null: of a socket, which is found by its device
ALTER TABLE addresses ADD COLUMN since       BIGINT NOT NULL DEFAULT 0; -- when the device last said that it holds
CREATE UNIQUE INDEX addresses_target ON addresses (target_hash, device_id) WHERE target_hash IS NOT NULL;
