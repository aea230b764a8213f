package device_test

import (
	"context"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
)

// book counts what is written down.
type book struct{ doubts, trusts int }

func (b *book) DoubtAddress(_ context.Context, _ push.AddressID, doubtful bool) error {
	if doubtful {
		b.doubts++
	} else {
		b.trusts++
	}
	return nil
}

func TestJudge(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name    string
		a       push.Address
		through bool
		want    book
	}{
		{"came through", push.Address{Channel: push.WebPush}, true, book{}},
		{"never came through", push.Address{Channel: push.WebPush}, false, book{doubts: 1}},
		{"never, once more", push.Address{Channel: push.WebPush, Doubtful: now}, false, book{}},
		{"came through after all", push.Address{Channel: push.WebPush, Doubtful: now}, true, book{trusts: 1}},
		{"a socket", push.Address{Channel: push.WebSocket}, false, book{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got book
			if err := device.Judge(t.Context(), &got, tt.a, tt.through); err != nil || got != tt.want {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

func TestDoubtfulSince(t *testing.T) {
	early, late := time.Unix(1, 0), time.Unix(2, 0)
	socket, good := push.Address{Channel: push.WebSocket}, push.Address{Channel: push.FCM}
	bad, worse := push.Address{Channel: push.WebPush, Doubtful: early}, push.Address{Channel: push.FCM, Doubtful: late}
	for _, tt := range []struct {
		name string
		has  []push.Address
		want time.Time
	}{
		{"nothing but its socket", []push.Address{socket}, time.Time{}},
		{"one that works", []push.Address{socket, good}, time.Time{}},
		{"one of two works", []push.Address{bad, good, worse}, time.Time{}},
		{"none works", []push.Address{socket, worse, bad}, late},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (device.Device{Addresses: tt.has}).DoubtfulSince(); !got.Equal(tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
