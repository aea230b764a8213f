package shop

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/mitome-ciba/mitome/cmd/mitome/demo/counter"
)

// tape sends what passes, as server-sent events, for as long as the page listens.
// A page that comes back says itself how far it has read (Last-Event-ID).
func (s *Shop) tape(w http.ResponseWriter, r *http.Request) error {
	n, err := strconv.Atoi(r.URL.Query().Get("after"))
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		n, err = strconv.Atoi(last)
	}
	if err != nil || n < 0 {
		return counter.ErrInput
	}
	out := http.NewResponseController(w)
	_ = out.SetWriteDeadline(time.Time{}) // what cannot be set has none
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	fmt.Fprint(w, "retry: 1000\n\n")
	for {
		if err := out.Flush(); err != nil {
			return nil // nobody reads any more, so nobody is told
		}
		news, err := s.conf.Tape.Wait(r.Context(), n)
		if err != nil {
			return nil
		}
		for _, m := range news {
			text, err := json.Marshal(m)
			if err != nil {
				return nil
			}
			fmt.Fprintf(w, "id: %d\ndata: %s\n\n", m.N, text)
			n = m.N
		}
	}
}

// last is the number of the newest message.
func (s *Shop) last() int {
	all := s.conf.Tape.Since(0)
	if len(all) == 0 {
		return 0
	}
	return all[len(all)-1].N
}
