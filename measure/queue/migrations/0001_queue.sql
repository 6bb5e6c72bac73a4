-- +goose Up

-- One row for each night, with its matrix as a file has it.
CREATE TABLE queue_nights (
	night  TEXT PRIMARY KEY,
	matrix TEXT NOT NULL
);

-- One row for each process that works for a night. has are the needs of cells that fit
-- its machine. It is dead once its lease has ended.
CREATE TABLE queue_workers (
	id         TEXT PRIMARY KEY,
	night      TEXT NOT NULL REFERENCES queue_nights,
	machine    TEXT NOT NULL,
	machine_id TEXT NOT NULL,
	has        TEXT[] NOT NULL,
	lease_ends TIMESTAMPTZ NOT NULL
);

CREATE INDEX queue_workers_by_night ON queue_workers (night);

-- One row for each cell. worker holds it; crashed_on are the machines on which it
-- crashed, and lost is how often a lease ended before the cell was done.
CREATE TABLE queue_cells (
	night      TEXT NOT NULL REFERENCES queue_nights,
	cell       TEXT NOT NULL,
	position   BIGINT NOT NULL,
	needs      TEXT NOT NULL,
	done       BOOLEAN NOT NULL DEFAULT false,
	worker     TEXT REFERENCES queue_workers,
	crashed_on TEXT[] NOT NULL DEFAULT '{}',
	lost       INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (night, cell)
);

CREATE INDEX queue_cells_open ON queue_cells (night, position) WHERE NOT done;
CREATE INDEX queue_cells_by_worker ON queue_cells (worker) WHERE NOT done;
