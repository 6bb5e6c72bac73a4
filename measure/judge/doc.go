// Package judge says what a night found that the nights before it had not: which
// exact count differs, which sampled figure has changed and not only varied, which
// check fails newly. It knows series and their past, and neither engines nor where
// series are kept.
package judge
