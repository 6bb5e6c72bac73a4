// Package history keeps what nights found, so that later nights can be judged by it:
// figures, the outcome of checks, what was done, and what a person accepted. A store
// of it is addressed by URL: a folder with a file of JSON lines, which is fit to be
// committed, an SQLite file or a PostgreSQL database. All hold the same entries.
package history
