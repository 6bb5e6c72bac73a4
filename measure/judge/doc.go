// Package judge says what is new in a night: which exact count differs, which sampled
// figure has changed by more than its usual variation, and which check fails for the
// first time. It knows series and their past, but neither engines nor stores.
package judge
