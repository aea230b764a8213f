package outbox

import (
	"context"
	"time"
)

// maxEnds bounds how many ends are written down together.
const maxEnds = 128

// ending is an end that waits to be written down, and where it is told that.
type ending struct {
	end  End
	told chan error
}

// writer writes down how attempts ended. Those that end while it commits are
// written down together: attempts end by the hundreds a second, and each alone
// would cost a commit.
type writer struct {
	queue   Queue
	timeout time.Duration
	ends    chan ending
}

// run writes until ends is closed.
func (w writer) run() {
	for first := range w.ends {
		batch := []ending{first}
	gather:
		for len(batch) < maxEnds {
			select {
			case e, open := <-w.ends:
				if !open {
					break gather
				}
				batch = append(batch, e)
			default:
				break gather
			}
		}
		w.write(batch)
	}
}

// write writes batch down and tells each what came of it. It has a time of its
// own, because no single attempt's is everybody's.
func (w writer) write(batch []ending) {
	ctx, cancel := context.WithTimeout(context.Background(), w.timeout)
	defer cancel()
	ends := make([]End, len(batch))
	for i, e := range batch {
		ends[i] = e.end
	}
	for i, err := range w.queue.FinishJobs(ctx, ends) {
		batch[i].told <- err
	}
}

// finish has e written down and returns when that is durable.
func (w writer) finish(ctx context.Context, e End) error {
	told := make(chan error, 1)
	select {
	case w.ends <- ending{e, told}:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-told:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
