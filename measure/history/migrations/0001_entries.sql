-- +goose Up

-- One row for each entry; body is the line that a folder has of it. series_id is the
-- beginning of the series name's hash, and time is in nanoseconds since 1970.
CREATE TABLE entries (
	key       BYTEA PRIMARY KEY,
	series_id BIGINT NOT NULL,
	kind      TEXT NOT NULL,
	night     TEXT NOT NULL,
	time      BIGINT NOT NULL,
	body      TEXT NOT NULL
);

CREATE INDEX entries_by_series ON entries (series_id, night, time, key);
CREATE INDEX entries_by_night ON entries (night, time, key);

CREATE INDEX entries_by_kind ON entries (kind, night, time, key) WHERE kind = 'cell' OR kind = 'accept';

CREATE TABLE series (
	id      BIGINT PRIMARY KEY,
	name    TEXT NOT NULL,
	entries BIGINT NOT NULL,
	last    TEXT NOT NULL
);
