package userapi_test

import "testing"

type quietHours struct {
	QuietHours []struct {
		OP       string `json:"op"`
		UserName string `json:"user_name"`
		DeviceID string `json:"device_id"`
		Zone     string `json:"zone"`
		From     string `json:"from"`
		To       string `json:"to"`
	} `json:"quiet_hours"`
}

func (p *phone) quietHours() (zone, from, to string) {
	p.w.t.Helper()
	var out quietHours
	p.do("GET", "/v1/quiet-hours", nil).want(p.w.t, 200, &out)
	if len(out.QuietHours) != 1 || out.QuietHours[0].DeviceID != string(p.device.ID) {
		p.w.t.Fatalf("got %+v, want those of one user", out)
	}
	h := out.QuietHours[0]
	return h.Zone, h.From, h.To
}

// TestQuietHours: a user sets and takes away her own, and nobody another's.
func TestQuietHours(t *testing.T) {
	w := newWorld(t)
	p, stranger := w.newPhone(), w.newPhone()
	p.pair("corp", "aiko")
	stranger.pair("corp", "ben")
	if zone, from, to := p.quietHours(); zone+from+to != "" {
		t.Errorf("at first: %s %s %s", zone, from, to)
	}
	night := map[string]any{"zone": "Asia/Tokyo", "from": "22:30", "to": "06:05"}
	p.do("POST", p.path("/quiet-hours"), night).want(t, 204, nil)
	if zone, from, to := p.quietHours(); zone != "Asia/Tokyo" || from != "22:30" || to != "06:05" {
		t.Errorf("set: %s %s %s", zone, from, to)
	}
	for name, body := range map[string]map[string]any{
		"unknown zone": {"zone": "Nowhere/Town", "from": "22:00", "to": "06:00"},
		"no time":      {"zone": "Asia/Tokyo", "from": "", "to": "06:00"},
		"25 o'clock":   {"zone": "Asia/Tokyo", "from": "25:00", "to": "06:00"},
		"the same":     {"zone": "Asia/Tokyo", "from": "06:00", "to": "06:00"},
	} {
		t.Log(name)
		p.do("POST", p.path("/quiet-hours"), body).wantProblem(t, 400, "invalid_quiet_hours")
	}
	stranger.do("POST", p.path("/quiet-hours"), map[string]any{}).wantProblem(t, 404, "device_not_found")
	if zone, _, _ := p.quietHours(); zone != "Asia/Tokyo" {
		t.Errorf("after what was refused: %q", zone)
	}
	p.do("POST", p.path("/quiet-hours"), map[string]any{}).want(t, 204, nil)
	if zone, _, _ := p.quietHours(); zone != "" {
		t.Errorf("taken away: %q", zone)
	}
}
