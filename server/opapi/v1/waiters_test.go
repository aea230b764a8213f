package v1

import (
	"errors"
	"testing"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/server/web"
)

// TestWaitersGiveTheirPlaceBack: the list grows no further than it may, and holds
// nothing of those who left.
func TestWaitersGiveTheirPlaceBack(t *testing.T) {
	h := &Handler{}
	var leave []func()
	for i := range maxWaiters {
		_, l, err := h.waiting.enter([]approval.RequestID{"a", "b"}[i%2])
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, l)
	}
	if _, _, err := h.waiting.enter("a"); !errors.Is(err, web.ErrUnavailable) {
		t.Errorf("one too many: got %v, want %v", err, web.ErrUnavailable)
	}
	for _, l := range leave {
		l()
	}
	if h.waiting.all != 0 || len(h.waiting.of) != 0 {
		t.Errorf("%d are left, of %d requests", h.waiting.all, len(h.waiting.of))
	}
}

// TestWakeDoesNotBlock: a caller that is slow to look is told once.
func TestWakeDoesNotBlock(t *testing.T) {
	h := &Handler{}
	woken, leave, err := h.waiting.enter("a")
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	h.Wake("b")
	select {
	case <-woken:
		t.Error("woken by another request")
	default:
	}
	h.Wake("a")
	h.Wake("a")
	<-woken
	select {
	case <-woken:
		t.Error("woken twice")
	default:
	}
}
