-- +goose Up

ALTER TABLE devices ADD COLUMN used_at BIGINT NOT NULL DEFAULT 0; -- when it last decided or signed in, to the minute
UPDATE devices SET used_at = COALESCE((SELECT MAX(c.used_at) FROM credentials c WHERE c.device_id = devices.id), 0);
