package main_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/server/places/placestest"
)

// TestOPIsNotToldWhere: the evidence holds the view that was signed, and the view
// where the user was; so the operator has it, and the OP that takes evidence of
// other approvals does not get it. A file that is broken at start is said so.
func TestOPIsNotToldWhere(t *testing.T) {
	t.Parallel()
	key, hash := opCredentials(t, t.TempDir())
	file := placestest.Put(t, placestest.City(t))
	g, ops := newStandalone(t, "kind: webhook", `keys: [{name: test, sha256: "`+hash+`"}]`, "rules: {}\nplaces: {file: '"+file+"'}")
	w := &signalWorld{gateway: g, ops: ops, key: key}
	phone := w.pair(t, "s-1", "Pixel")
	decided := func(context map[string]any) (id string, evidence string) {
		t.Helper()
		a := w.askOf(t, "corp", map[string]any{"sub": "s-1", "client_id": "till", "request_context": context})
		var r struct {
			ID       string
			Decision struct{ Evidence string }
		}
		if err := json.Unmarshal([]byte(a.Body), &r); err != nil || a.Status != http.StatusCreated {
			t.Fatalf("asked: %+v", a)
		}
		if out := phone.run(t, "show", r.ID); (context["ip"] != nil) != strings.Contains(out, "The device that asks is in Osaka, Japan.") {
			t.Errorf("the device shows of %v:\n%s", context, out)
		}
		phone.do(t, "approve", r.ID)
		if err := json.Unmarshal([]byte(w.toldOf(t, r.ID)), &r); err != nil {
			t.Fatal(err)
		}
		return r.ID, r.Decision.Evidence
	}
	if _, evidence := decided(map[string]any{"device": "Till 7"}); evidence == "" {
		t.Error("the OP does not get evidence that says nothing of places")
	}
	id, evidence := decided(map[string]any{"ip": "203.0.113.7"})
	if evidence != "" {
		t.Error("the OP was told where the user is")
	}
	if out := w.run(t, "evidence", "export", id); !strings.HasPrefix(out, "ey") {
		t.Errorf("the operator has no evidence: %s", out)
	}
	if err := os.WriteFile(file, []byte("half a download"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := w.try(t, "config", "check"); err == nil || !strings.Contains(out, "places.file: cannot be used") {
		t.Errorf("got %v\n%s", err, out)
	}
}

// toldOf is what the OP is told of a request that it asks for.
func (w *signalWorld) toldOf(t *testing.T, id string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.ops+"/op/corp/v1/requests/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.key)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
