package device

import (
	"context"
	"time"

	"github.com/mitome-ciba/mitome/push"
)

// Doubts is where it is written down that an address may not work.
type Doubts interface {
	// DoubtAddress is that of [Addresses].
	DoubtAddress(ctx context.Context, id push.AddressID, doubtful bool) error
}

// Judge has the end of a message to a, read before it was sent, say whether a is
// doubtful: it came through, or it never did. Nothing is written unless that
// changes. A socket is not doubted, because a device that does not listen asks
// when it connects.
func Judge(ctx context.Context, d Doubts, a push.Address, through bool) error {
	if a.Channel == push.WebSocket || through == a.Doubtful.IsZero() {
		return nil
	}
	return d.DoubtAddress(ctx, a.ID, !through)
}

// DoubtfulSince is since when notifications may not arrive at the device: when
// the last of its addresses became doubtful. It is zero while one works as far as
// is known, and for a device that has none but its socket.
func (d Device) DoubtfulSince() (since time.Time) {
	for _, a := range d.Addresses {
		switch {
		case a.Channel == push.WebSocket:
		case a.Doubtful.IsZero():
			return time.Time{}
		case a.Doubtful.After(since):
			since = a.Doubtful
		}
	}
	return since
}
