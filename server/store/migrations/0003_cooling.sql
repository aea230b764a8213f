-- +goose Up

ALTER TABLE devices ADD COLUMN active_at BIGINT NOT NULL DEFAULT 0; -- of a cooling one: when it becomes active
CREATE INDEX devices_cooling ON devices (active_at) WHERE state = 'cooling';
