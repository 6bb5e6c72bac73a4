// Package queue shares the cells of a night between machines, by tables in the
// PostgreSQL database that keeps the history. A worker takes a cell with FOR UPDATE
// SKIP LOCKED, so that no two workers get the same one. It holds the cell until it is
// done, provided that it renews its lease; the clock of the database decides when a lease
// ends. The transaction that marks a cell as done also keeps what the worker found, and
// only if the worker still holds the cell: one that was taken again counts once.
package queue
