package main

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/deliver"
	"github.com/mitome-ciba/mitome/approval/sign"
	"github.com/mitome-ciba/mitome/server/config"
)

// TestSignalsAreWired: what is configured is called, and nothing else; and nothing in
// a private network that the operator did not name.
func TestSignalsAreWired(t *testing.T) {
	heard := map[string]int{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		heard[r.URL.Path+" "+r.Header.Get("Content-Type")]++
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(srv.Close)
	key, err := sign.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := sign.New(key)
	if err != nil {
		t.Fatal(err)
	}
	signals := config.Signals{
		Webhook: srv.URL + "/hook", Secrets: []config.Secret{"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="},
		SETURL: srv.URL + "/set", AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}
	far := signals
	far.AllowPrivate = nil
	n := &node{signer: signer, config: config.Config{OPs: []config.OP{{Name: "corp", Signals: signals}, {Name: "far", Signals: far}, {Name: "none"}}}}
	s, err := n.signals()
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []approval.SignalTarget{approval.ToWebhook, approval.ToSET} {
		if err := s.Receivers["corp"][to].Send(t.Context(), deliver.Signal{ID: "1"}); err != nil {
			t.Errorf("%s: %v", to, err)
		}
		if err := s.Receivers["far"][to].Send(t.Context(), deliver.Signal{ID: "1"}); err == nil {
			t.Errorf("%s: a private network was reached", to)
		}
		if s.Receivers["none"][to] != nil {
			t.Errorf("%s: there is a receiver that nobody configured", to)
		}
	}
	if len(heard) != 2 || heard["/hook application/json"] != 1 || heard["/set application/secevent+jwt"] != 1 {
		t.Errorf("heard %v", heard)
	}
}
