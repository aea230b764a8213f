package main

import (
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/doctor"
)

// TestDoctorContracts: the doctor says what each connection carries, and warns
// where its rules ask for what its OP cannot bring.
func TestDoctorContracts(t *testing.T) {
	keycloak := "kind: keycloak, issuer: 'http://127.0.0.1:1/realms/x'"
	webhook := "kind: webhook, keys: [{name: k, sha256: '" + strings.Repeat("ab", 32) + "'}]"
	tests := []struct {
		name, op string
		said     []string
		warned   string
	}{
		{"keycloak", keycloak, []string{
			"hears acr_values, authorization_details; not name of the client, user_code, auth_req_id, that the client gave up.",
			"hears yes or no; not cause of an early refusal, acr, amr, why it was denied; its ID token's acr is nothing of Mitome's.",
			"can reach the acr values http://schemas.openid.net/policies/modrna/phishing-resistant, http://schemas.openid.net/policies/modrna/multi-factor.",
		}, ""},
		{"webhook", webhook, []string{
			"user_code, auth_req_id, that the client gave up.", "yes or no, cause of an early refusal, acr, amr, why it was denied; its ID token's acr is what was reached.",
			"can reach the acr values phr, ",
		}, ""},
		{"gravitee", "kind: gravitee, domain_url: 'http://127.0.0.1:1/bank', client_id: m, client_secret: s, header_value: " + strings.Repeat("h", 32),
			[]string{"its ID token's acr is what was asked for."}, ""},
		{"authlete", "kind: authlete, secret: " + strings.Repeat("s", 40), []string{"not acr_values, "}, ""},
		{"a code that nothing brings", keycloak + ", rules: {require_user_code: true}", nil, "Every request is denied"},
		{"a code that the message brings", keycloak + ", rules: {require_user_code: true, binding_message: type}", []string{"values phr, "}, ""},
		{"a code that the OP brings", webhook + ", rules: {require_user_code: true}", nil, ""},
		{"an acr out of reach", keycloak + ", rules: {acr: [{value: gold, user_code: true}, {value: silver}]}", []string{"values silver."}, "acr values gold"},
		{"no acr in reach", keycloak + ", rules: {acr: [{value: phrh}]}", []string{"values (none)."}, "acr values phrh"},
		{"clients of their own", webhook + ", clients: [{id: till, rules: {scopes: [profile], device_bound: true}}]",
			[]string{"The client till has rules of its own: device_bound, scopes. The others are the connection's."}, ""},
		{"an acr that the OP brings into reach", webhook + ", rules: {acr: [{value: gold, user_code: true}]}", []string{"values gold."}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			findings, text := consult(t, "contract corp", "{name: corp, "+tt.op+"}")
			var said, warned string
			for _, f := range findings {
				if f.State == doctor.OK {
					said += f.Text + "\n"
				} else {
					warned += f.Text
				}
			}
			for _, words := range tt.said {
				if !strings.Contains(said, words) {
					t.Errorf("got %s, want %q\n%s", said, words, text)
				}
			}
			if (warned == "") != (tt.warned == "") || !strings.Contains(warned, tt.warned) {
				t.Errorf("warned %q, want %q", warned, tt.warned)
			}
		})
	}
}
