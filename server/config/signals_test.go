package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSignals: what is wrong with signals is named by its key, and never with the
// secret that is wrong.
func TestSignals(t *testing.T) {
	const secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	file := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(file, []byte(secret+"\n\n"+secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	here := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for _, tt := range []struct {
		name    string
		signals Signals
		want    string // the key that is at fault; empty: none
	}{
		{"none", Signals{}, ""},
		{"webhook", Signals{Webhook: "https://soc.example", Secrets: []Secret{secret}}, ""},
		{"secrets in a file", Signals{Webhook: "https://soc.example", SecretsFile: file}, ""},
		{"near", Signals{SETURL: "http://soc.internal", AllowPrivate: here}, ""},
		{"plain http", Signals{SETURL: "http://soc.example"}, "set_url"},
		{"a password in the URL", Signals{SETURL: "https://u:p@soc.example"}, "set_url"},
		{"webhook without secrets", Signals{Webhook: "https://soc.example"}, "secrets"},
		{"a secret that is none", Signals{Webhook: "https://soc.example", Secrets: []Secret{"whsec_hunter2"}}, "secrets"},
		{"secrets without a webhook", Signals{Secrets: []Secret{secret}}, "webhook"},
		{"both", Signals{Webhook: "https://soc.example", Secrets: []Secret{secret}, SecretsFile: file}, "secrets"},
		{"no such file", Signals{Webhook: "https://soc.example", SecretsFile: file + "x"}, "secrets_file"},
		{"a token for nobody", Signals{SETTokenFile: file}, "set_url"},
		{"no token in its file", Signals{SETURL: "https://soc.example", SETTokenFile: file + "x"}, "set_token_file"},
		{"for ever", Signals{Freeze: 25 * time.Hour}, "freeze"},
		{"negative", Signals{Freeze: -time.Second}, "freeze"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.signals.Freeze == 0 {
				tt.signals.Freeze = 15 * time.Minute
			}
			var f Faults
			tt.signals.validate(&f, "ops[0].signals")
			named := false
			for _, fault := range f {
				named = named || fault.Path == "ops[0].signals."+tt.want
				if strings.Contains(fault.Text, "hunter2") {
					t.Errorf("it repeats the secret: %v", fault)
				}
			}
			if (tt.want == "") != (len(f) == 0) || tt.want != "" && !named {
				t.Errorf("got %v, want a fault of %q", f, tt.want)
			}
		})
	}
}
