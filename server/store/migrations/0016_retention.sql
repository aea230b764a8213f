-- +goose Up

-- Jobs that ended, by when: what is older than is kept is looked for every ten
-- minutes, and the table may hold a month of them. Reports stay with their request.
CREATE INDEX outbox_ended ON outbox (done_at) WHERE done_at > 0 AND kind <> 'report';
