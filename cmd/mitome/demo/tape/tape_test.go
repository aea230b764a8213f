package tape_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/mitome-ciba/mitome/cmd/mitome/demo/tape"
)

func TestTapeNumbersWhatIsAdded(t *testing.T) {
	tp := tape.New()
	for _, title := range []string{"a", "b", "c"} {
		tp.Add(tape.Message{N: 99, Title: title})
	}
	got := tp.Since(1)
	if len(got) != 2 || got[0].N != 2 || got[0].Title != "b" || got[1].N != 3 {
		t.Errorf("got %+v, want the second and the third", got)
	}
	if got := tp.Since(3); len(got) != 0 {
		t.Errorf("got %+v, want nothing", got)
	}
}

func TestTapeForgetsTheOldest(t *testing.T) {
	tp := tape.New()
	for range 2100 {
		tp.Add(tape.Message{})
	}
	got := tp.Since(0)
	if len(got) != 2000 || got[0].N != 101 || got[len(got)-1].N != 2100 {
		t.Errorf("got %d messages, want the last 2000", len(got))
	}
	if got := tp.Since(2099); len(got) != 1 || got[0].N != 2100 {
		t.Errorf("got %+v, want the newest", got)
	}
}

func TestWaitEndsWithTheNextMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp := tape.New()
		got := make(chan []tape.Message)
		go func() {
			news, err := tp.Wait(t.Context(), 0)
			if err != nil {
				t.Error(err)
			}
			got <- news
		}()
		synctest.Wait() // it waits by now
		tp.Add(tape.Message{Title: "a"})
		if news := <-got; len(news) != 1 || news[0].Title != "a" {
			t.Errorf("got %+v, want the message", news)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tape.New().Wait(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestCut(t *testing.T) {
	const secret = "q8Yt5mZp2LkW0vXc7Rb4"
	for _, name := range []string{"client_secret", "Client_Assertion", "user_code", "Authorization", "auth_req_id", "id_token", "access_token", "Idempotency-Key"} {
		if got := tape.Cut(name, secret); strings.Contains(got, secret[6:]) || got == "" {
			t.Errorf("%s is shown as %q", name, got)
		}
	}
	if got := tape.Cut("user_code", "123456"); got != "******" {
		t.Errorf("a code is shown as %q", got)
	}
	if got := tape.Cut("auth_req_id", "short"); got != tape.Gone {
		t.Errorf("a short handle is shown as %q", got)
	}
	if got := tape.Cut("binding_message", "Front door"); got != "Front door" {
		t.Errorf("got %q, want what is no secret as it is", got)
	}
}
