package web

import "context"

// stopKey is where a call finds out that the server is to stop.
type stopKey struct{}

// WithStop returns a context from which [Stopping] returns stop. The server
// makes it the base of every call.
func WithStop(ctx context.Context, stop <-chan struct{}) context.Context {
	return context.WithValue(ctx, stopKey{}, stop)
}

// Stopping returns a channel that is closed when the server is to stop. A call
// that only waits for something to happen answers then, as if its time were up.
// It is not the call's own context, because calls that are at work go on: half a
// decision is worse than a slow stop. Outside a server it is never closed.
func Stopping(ctx context.Context) <-chan struct{} {
	stop, _ := ctx.Value(stopKey{}).(<-chan struct{})
	return stop
}
