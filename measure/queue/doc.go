// Package queue shares the cells of a night between machines, by tables in the
// PostgreSQL database that keeps the history. A worker takes a cell with FOR UPDATE
// SKIP LOCKED, so that no two get the same one, and holds it until it is done, as long
// as the worker renews its lease. The clock of the database decides when a lease ends.
// What a worker found is kept in the transaction that marks the cell as done, and only
// if the worker still holds it: a cell that was taken again counts once.
package queue
