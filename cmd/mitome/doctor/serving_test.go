package doctor_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/cmd/mitome/doctor"
)

// readyz answers as a node does.
func readyz(status int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			http.NotFound(w, r)
			return
		}
		w.WriteHeader(status)
		w.Write([]byte(body))
	})
}

const (
	isReady  = `{"status":"ok","parts":{"database":"ok","outbox":"ok"}}`
	notReady = `{"status":"failed","parts":{"database":"failed","outbox":"ok","bus":"failed"}}`
)

func TestServing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	tests := []struct {
		name    string
		handler http.Handler // of the listener for metrics; nil: none
		ops     string
		started bool
		want    []want
	}{
		{"runs", readyz(200, isReady), "", true, []want{{"server", doctor.OK, "runs and is ready"}}},
		{"runs, with an alarm", readyz(200, `{"status":"ok","parts":{},"alarms":["the service of push channel fcm rejects our credentials"]}`), "", true, []want{
			{"server", doctor.OK, "runs and is ready"}, {"server", doctor.Fault, "push channel fcm rejects our credentials"}}},
		{"is not ready", readyz(503, notReady), "", true, []want{{"server", doctor.Fault, "not ready: bus, database;"}}},
		{"another program", http.NotFoundHandler(), "", true, []want{{"server", doctor.Fault, "Another program than Mitome answers"}}},
		{"does not run", nil, "", true, []want{{"server", doctor.Fault, "start mitome serve"}, {"server", doctor.OK, "is free"}}},
		{"cannot run", nil, taken.Addr().String(), true, []want{
			{"server", doctor.Fault, "start mitome serve"}, {"listen.ops", doctor.Fault, "Another program listens at " + taken.Addr().String()}}},
		{"before the start", nil, "", false, []want{{"server", doctor.OK, "is free"}}},
		{"before the start, taken", nil, taken.Addr().String(), false, []want{{"listen.ops", doctor.Fault, "or change listen.ops"}}},
		{"an address of another machine", nil, "192.0.2.1:8081", false, []want{{"listen.ops", doctor.Fault, "This machine has no address such as 192.0.2.1:8081"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			metrics := doctor.Listener{Name: "metrics", Address: closedPort(t)}
			if tt.handler != nil {
				s := httptest.NewServer(tt.handler)
				defer s.Close()
				metrics.Address = s.Listener.Addr().String()
			}
			if tt.ops == "" {
				tt.ops = "127.0.0.1:0"
			}
			var r doctor.Report
			doctor.CheckServing(t.Context(), &r, []doctor.Listener{metrics, {Name: "ops", Address: tt.ops}}, tt.started)
			expect(t, &r, tt.want...)
		})
	}
	t.Run("metrics off", func(t *testing.T) {
		var r doctor.Report
		doctor.CheckServing(t.Context(), &r, []doctor.Listener{{Name: "metrics", Address: "off"}}, true)
		expect(t, &r, want{"server", doctor.Warning, "listen.metrics is off"})
	})
	t.Run("socket in use", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "s")
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		var r doctor.Report
		doctor.CheckServing(t.Context(), &r, []doctor.Listener{{Name: "admin", Address: "unix:" + path}}, false)
		expect(t, &r, want{"listen.admin", doctor.Fault, "Another program listens"})
	})
}

// TestAsk reaches a node however it listens; by TLS it takes no other
// certificate than the node's own.
func TestAsk(t *testing.T) {
	plain := httptest.NewServer(readyz(200, isReady))
	defer plain.Close()
	_, port, _ := net.SplitHostPort(plain.Listener.Addr().String())
	socket := filepath.Join(t.TempDir(), "m.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	unix := httptest.NewUnstartedServer(readyz(200, isReady))
	unix.Listener = l
	unix.Start()
	defer unix.Close()
	own, ownPath := certificate(t, "mitome.example", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	_, otherPath := certificate(t, "mitome.example", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	secured, _ := secure(t, readyz(200, isReady), own)

	tests := []struct {
		name     string
		listener doctor.Listener
		ok       bool
	}{
		{"loopback", doctor.Listener{Address: "127.0.0.1:" + port}, true},
		{"every address", doctor.Listener{Address: "0.0.0.0:" + port}, true},
		{"every address, IPv6 too", doctor.Listener{Address: "[::]:" + port}, true},
		{"no host", doctor.Listener{Address: ":" + port}, true},
		{"a socket", doctor.Listener{Address: "unix:" + socket}, true},
		{"TLS", doctor.Listener{Address: secured.Listener.Addr().String(), CertFile: ownPath}, true},
		{"TLS of somebody else", doctor.Listener{Address: secured.Listener.Addr().String(), CertFile: otherPath}, false},
		{"TLS without a certificate", doctor.Listener{Address: secured.Listener.Addr().String(), CertFile: "/nonexistent"}, false},
		{"nobody", doctor.Listener{Address: closedPort(t)}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ready, err := tt.listener.Ask(t.Context(), time.Second)
			if (err == nil) != tt.ok || tt.ok && ready.Status != "ok" {
				t.Errorf("got %+v, %v", ready, err)
			}
		})
	}
	if _, err := (doctor.Listener{Address: "off"}).Ask(t.Context(), time.Second); !errors.Is(err, doctor.ErrOff) {
		t.Errorf("got %v, want %v", err, doctor.ErrOff)
	}
}

func TestCertificate(t *testing.T) {
	now, day := time.Now(), 24*time.Hour
	tests := []struct {
		name     string
		from, to time.Time
		host     string
		want     want
	}{
		{"good", now.Add(-day), now.Add(90 * day), "mitome.example", want{"tls.devices", doctor.OK, "holds until"}},
		{"name does not matter", now.Add(-day), now.Add(90 * day), "", want{"tls.devices", doctor.OK, "holds until"}},
		{"ended", now.Add(-2 * day), now.Add(-day), "mitome.example", want{"tls.devices", doctor.Fault, "renew it"}},
		{"not begun", now.Add(day), now.Add(2 * day), "mitome.example", want{"tls.devices", doctor.Fault, "clock"}},
		{"ends soon", now.Add(-day), now.Add(5 * day), "mitome.example", want{"tls.devices", doctor.Warning, "renew it"}},
		{"of another", now.Add(-day), now.Add(90 * day), "login.example", want{"tls.devices", doctor.Fault, "not for login.example"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, path := certificate(t, "mitome.example", tt.from, tt.to)
			var r doctor.Report
			doctor.Listener{Name: "devices", CertFile: path}.CheckCertificate(&r, tt.host, now)
			expect(t, &r, tt.want)
		})
	}
}
