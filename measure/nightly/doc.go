// Package nightly runs a matrix of subjects, engines, machines and CPU models, keeps
// the results in a history, and judges them by the nights before. A cell of the matrix
// is a whole comparison on one machine, never half of it on each of two machines. Each
// cell is done once a night, by whichever machine takes it.
package nightly
