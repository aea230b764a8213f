package push

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// ErrChannel means that no sender is configured for the address's channel.
var ErrChannel = errors.New("push: no sender for this channel")

// DefaultParallel is how many sends run at once on a channel for which nothing
// else was configured.
const DefaultParallel = 64

// Dispatcher hands each message to the sender of its address's channel, and
// keeps one slow service from using up all workers: what one channel does not
// take waits outside its own door.
type Dispatcher struct {
	channels map[Channel]lane
}

// lane is one channel: its sender and as many slots as may send at once.
type lane struct {
	sender Sender
	slots  chan struct{}
}

// NewDispatcher returns a dispatcher over senders, one a channel. Parallel says
// how many sends may run at once on a channel; DefaultParallel if it does not.
func NewDispatcher(parallel map[Channel]int, senders ...Sender) (*Dispatcher, error) {
	d := &Dispatcher{channels: map[Channel]lane{}}
	for _, s := range senders {
		if _, ok := d.channels[s.Channel()]; ok {
			return nil, fmt.Errorf("push: two senders for channel %q", s.Channel())
		}
		n := DefaultParallel
		if limit, ok := parallel[s.Channel()]; ok {
			n = limit
		}
		if n < 1 {
			return nil, fmt.Errorf("push: channel %q: limit %d is not positive", s.Channel(), n)
		}
		d.channels[s.Channel()] = lane{s, make(chan struct{}, n)}
	}
	for ch := range parallel {
		if _, ok := d.channels[ch]; !ok {
			return nil, fmt.Errorf("%w: %q has a limit", ErrChannel, ch)
		}
	}
	return d, nil
}

// Has reports whether there is a sender for the channel.
func (d *Dispatcher) Has(c Channel) bool {
	_, ok := d.channels[c]
	return ok
}

// Channels lists the channels for which there is a sender.
func (d *Dispatcher) Channels() []Channel { return slices.Sorted(maps.Keys(d.channels)) }

// Check refuses an address that its channel's sender would not call.
func (d *Dispatcher) Check(a Address) error {
	l, ok := d.channels[a.Channel]
	if !ok {
		return fmt.Errorf("%w: %q", ErrChannel, a.Channel)
	}
	return l.sender.Check(a)
}

// Send makes one attempt, as [Sender] does, once the channel has a free slot. A
// context that ends before that is ErrLater, because nothing was sent.
func (d *Dispatcher) Send(ctx context.Context, a Address, m Message) error {
	l, ok := d.channels[a.Channel]
	if !ok {
		return fmt.Errorf("%w: %q", ErrChannel, a.Channel)
	}
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return Later(0, ctx.Err())
	}
	defer func() { <-l.slots }()
	return l.sender.Send(ctx, a, m)
}
