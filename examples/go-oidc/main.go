// Command go-oidc is a small OpenID Provider on go-oidc whose users approve CIBA
// requests on devices that Mitome knows, in poll, ping and push mode. The OP
// itself is package cmd/mitome/demo/op; here it is given its configuration.
// `go-oidc op.json` runs it; what op.json holds is in docs/ops/go-oidc.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/approval/rp"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/op"
)

// config is op.json.
type config struct {
	Issuer string `json:"issuer"`
	Listen string `json:"listen"`
	Mitome struct {
		Connection  string `json:"connection"` // its URL at Mitome, …/op/<name>
		KeyFile     string `json:"key_file"`
		SecretsFile string `json:"secrets_file"` // one secret a line
	} `json:"mitome"`
	Users     map[string]string `json:"users"` // login_hint → sub
	Scopes    []string          `json:"scopes"`
	ACRValues []string          `json:"acr_values"`
	Interval  int               `json:"interval"` // seconds
	Clients   []client          `json:"clients"`
}

// client is one of op.json's.
type client struct {
	ID                   string           `json:"client_id"`
	Name                 string           `json:"client_name"`
	Secret               string           `json:"client_secret"`
	Key                  *jose.JSONWebKey `json:"key"` // public, in place of the secret
	SignedRequests       bool             `json:"signed_requests"`
	Mode                 rp.Mode          `json:"mode"`
	NotificationEndpoint string           `json:"notification_endpoint"`
	UserCode             bool             `json:"user_code"`
	GrantTypes           []string         `json:"grant_types"` // none: CIBA's
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		slog.Error("OP ends", "error", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: go-oidc op.json")
	}
	c, err := read(args[0])
	if err != nil {
		return err
	}
	provider, err := open(c)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server := &http.Server{Addr: c.Listen, Handler: provider, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() }) // what it holds is in memory, and gone anyway
	slog.Info("OP at " + c.Issuer)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func read(name string) (config, error) {
	file, err := os.Open(name)
	if err != nil {
		return config{}, err
	}
	defer file.Close()
	var c config
	in := json.NewDecoder(file)
	in.DisallowUnknownFields()
	if err := in.Decode(&c); err != nil {
		return config{}, fmt.Errorf("read %s: %w", name, err)
	}
	return c, nil
}

// open makes the OP.
func open(c config) (*op.OP, error) {
	key, err := os.ReadFile(c.Mitome.KeyFile)
	if err != nil {
		return nil, err
	}
	secrets, err := os.ReadFile(c.Mitome.SecretsFile)
	if err != nil {
		return nil, err
	}
	return op.New(op.Config{
		Issuer: c.Issuer, Clients: clients(c.Clients), Users: c.Users, Scopes: c.Scopes, ACRs: c.ACRValues,
		Interval: time.Duration(c.Interval) * time.Second, Log: slog.Default(),
		Mitome: op.Mitome{URL: c.Mitome.Connection, Key: strings.TrimSpace(string(key)), Secrets: strings.Fields(string(secrets))},
		HTTP:   &http.Client{Timeout: 20 * time.Second},
	})
}

func clients(all []client) []op.Client {
	var out []op.Client
	for _, c := range all {
		one := op.Client{
			ID: c.ID, Name: c.Name, Secret: c.Secret, Mode: c.Mode, NotificationEndpoint: c.NotificationEndpoint,
			UserCode: c.UserCode, SignedRequests: c.SignedRequests,
			RefreshTokens: slices.Contains(c.GrantTypes, "refresh_token"),
			NoCIBA:        len(c.GrantTypes) > 0 && !slices.Contains(c.GrantTypes, "urn:openid:params:grant-type:ciba"),
		}
		if c.Key != nil {
			one.Key, one.KeyID = c.Key.Key, c.Key.KeyID
		}
		out = append(out, one)
	}
	return out
}
