// Package nightly runs a matrix of subjects, engines, machines and CPU models, keeps
// what comes out in a history, and judges it by the nights before. A cell of the
// matrix is a whole comparison on one machine, never one half of it here and the other
// there; it is done once a night, whoever does it.
package nightly
