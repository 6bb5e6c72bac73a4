// Package history keeps what nights found, so that later nights can be judged by it:
// figures, outcomes of checks, the cells that were done, and what people accepted. A
// URL names the store: a folder with a file of JSON lines, which can be committed, an
// SQLite file or a PostgreSQL database. All hold the same entries.
package history
