package config

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestWebPush(t *testing.T) {
	for _, tt := range []struct {
		name, public, lines string
		on                  bool
		subject             string
	}{
		{"by itself", "https://mitome.example", "", true, "https://mitome.example"},
		{"switched off", "https://mitome.example", "push: {webpush: {enabled: false}}", false, "https://mitome.example"},
		{"on", "https://mitome.example", "push: {webpush: {enabled: true}}", true, "https://mitome.example"},
		{"own subject", "https://mitome.example", "push: {webpush: {subject: 'mailto:ops@mitome.example'}}", true, "mailto:ops@mitome.example"},
		{"on one's own machine", "http://localhost:8080", "", false, ""},
		{"a name that is not public", "https://mitome.corp.internal", "", false, ""},
		{"the same, with a subject", "https://mitome.corp.internal", "push: {webpush: {subject: 'mailto:ops@corp.example'}}", true, "mailto:ops@corp.example"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Load(write(t, strings.Replace(minimal, "https://mitome.example", tt.public, 1)+"\n"+tt.lines+"\n"), nil)
			if err != nil {
				t.Fatal(err)
			}
			if w := c.Push.WebPush; w.On() != tt.on || w.Subject != tt.subject {
				t.Errorf("got %v, %q, want %v, %q", w.On(), w.Subject, tt.on, tt.subject)
			}
		})
	}
}

func TestWebPushSubject(t *testing.T) {
	for subject, ok := range map[string]bool{
		"mailto:ops@mitome.example": true, "https://mitome.example": true, "https://mitome.example/contact": true,
		"mailto:ops@localhost": false, "mailto:ops@printer.local": false, "mailto:ops": false, "mailto:": false,
		"mailto:Ops <ops@mitome.example>": false, "ops@mitome.example": false, "https://localhost:8080": false,
		"https://192.0.2.1": false, "http://mitome.example": false, "https://me@mitome.example": false, "https://a.invalid": false,
	} {
		_, err := Load(write(t, minimal+"\npush: {webpush: {subject: '"+subject+"'}}\n"), nil)
		var faults Faults
		switch {
		case ok && err != nil:
			t.Errorf("%s: %v", subject, err)
		case !ok && (!errors.As(err, &faults) || len(faults) != 1 || faults[0].Path != "push.webpush.subject"):
			t.Errorf("%s: got %v, want a fault of the subject", subject, err)
		}
	}
}

func TestWebPushAllowPrivate(t *testing.T) {
	c, err := Load(write(t, minimal+"\npush: {webpush: {allow_private: [10.0.0.0/8]}}\n"), nil)
	if want := netip.MustParsePrefix("10.0.0.0/8"); err != nil || len(c.Push.WebPush.AllowPrivate) != 1 || c.Push.WebPush.AllowPrivate[0] != want {
		t.Errorf("got %v, %v, want %v", c.Push.WebPush.AllowPrivate, err, want)
	}
	c, err = Load(write(t, minimal), []string{"MITOME_PUSH__WEBPUSH__ALLOW_PRIVATE=10.0.0.0/8, fd00::/8", "MITOME_PUSH__WEBPUSH__ENABLED=false"})
	if err != nil || len(c.Push.WebPush.AllowPrivate) != 2 || c.Push.WebPush.On() {
		t.Errorf("from the environment: got %+v, %v", c.Push.WebPush, err)
	}
	if _, err := Load(write(t, minimal+"\npush: {webpush: {allow_private: [here]}}\n"), nil); err == nil {
		t.Error("a network that is none was taken")
	}
}

func TestWaitForSocket(t *testing.T) {
	for lines, want := range map[string]time.Duration{
		"": time.Second, "push: {wait_for_socket: 0s}": 0, "push: {wait_for_socket: 250ms}": 250 * time.Millisecond, "push: {wait_for_socket: 10s}": 10 * time.Second,
	} {
		c, err := Load(write(t, minimal+"\n"+lines+"\n"), nil)
		if err != nil || c.Push.SocketFirst() != want {
			t.Errorf("%q: got %v, %v, want %v", lines, c.Push.SocketFirst(), err, want)
		}
	}
	for _, bad := range []string{"10001ms", "-1s", "soon"} {
		_, err := Load(write(t, minimal+"\npush: {wait_for_socket: "+bad+"}\n"), nil)
		var faults Faults
		if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Path != "push.wait_for_socket" {
			t.Errorf("%s: got %v, want a fault of wait_for_socket", bad, err)
		}
	}
}
