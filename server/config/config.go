// Package config is what an operator may set: one struct, read from a YAML file
// and from the environment, checked as a whole.
//
// # Why
//
// Every fault is reported at once, each with its path, because an operator who
// mends one line per start of the program mends it by guessing. An unknown key is
// a fault: a misspelt limit that silently keeps its default is worse than a
// program that does not start. Defaults and descriptions stand as struct tags, so
// the reference in docs/configuration.md cannot tell another story than the code.
package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mitome-ciba/mitome/approval/policy"
)

// Config is the whole configuration. A zero field stands for its default.
type Config struct {
	PublicURL      string      `koanf:"public_url" desc:"Where phones and browsers reach the devices listener: https://host or https://host:port, without a path. Plain http is taken for localhost only." required:"true"`
	RPID           string      `koanf:"rp_id" desc:"WebAuthn RP ID of the passkeys: the host of public_url or a parent domain of it. It cannot change later without pairing every device anew." derived:"the host of public_url"`
	RPName         string      `koanf:"rp_name" desc:"Name that phones show for the passkeys." default:"Mitome"`
	DataDir        string      `koanf:"data_dir" desc:"Folder for the SQLite database, the keys and the admin socket." default:"/var/lib/mitome"`
	KeysFile       string      `koanf:"keys_file" desc:"Keys for sealing and signing, made by mitome keys init." derived:"keys.json in data_dir"`
	KeysWrapFile   string      `koanf:"keys_wrap_file" desc:"File with 32 random bytes in base64, readable by its owner alone, under which keys_file is encrypted; keep it where the backups of keys_file do not go. mitome keys wrap encrypts a file that is there." derived:"keys_file is not encrypted"`
	TemplatesDir   string      `koanf:"templates_dir" desc:"Folder of files (.yaml, .yml, .json) that say how details of requests are shown, for every connection. They go before the built-in ones; docs/templates.md." derived:"the built-in ones alone"`
	TrustedProxies []string    `koanf:"trusted_proxies" desc:"Addresses or networks (CIDR) of reverse proxies whose X-Forwarded-For is believed. In the environment separated by commas." derived:"none"`
	Listen         Listen      `koanf:"listen"`
	TLS            TLS         `koanf:"tls"`
	Database       Database    `koanf:"database"`
	Admin          Admin       `koanf:"admin"`
	Sessions       Sessions    `koanf:"sessions"`
	Pairing        Pairing     `koanf:"pairing"`
	Push           Push        `koanf:"push"`
	Apps           Apps        `koanf:"apps"`
	Retention      Retention   `koanf:"retention"`
	Places         Places      `koanf:"places"`
	Attestation    Attestation `koanf:"attestation"`
	Log            LogConfig   `koanf:"log"`
	OPs            []OP        `koanf:"ops"`
}

// Listen is where Mitome listens: host:port, or unix:/path.
type Listen struct {
	Devices string `koanf:"devices" desc:"The device API and the published keys. Phones come here, through your TLS proxy or with tls.devices." default:"127.0.0.1:8080"`
	OPs     string `koanf:"ops" desc:"OpenID Providers hand over their requests here. Keep it off the Internet where the OP is near." default:"127.0.0.1:8081"`
	Admin   string `koanf:"admin" desc:"The admin API: unix:/path, or host:port with admin.tokens (and tls.admin unless it is loopback)." derived:"unix:admin.sock in data_dir"`
	Metrics string `koanf:"metrics" desc:"/metrics, /livez and /readyz; \"off\" for none." default:"127.0.0.1:9464"`
}

// TLS is a certificate for each listener that is to serve TLS itself.
type TLS struct {
	Devices KeyPair `koanf:"devices"`
	OPs     OPsTLS  `koanf:"ops"`
	Admin   KeyPair `koanf:"admin"`
	Metrics KeyPair `koanf:"metrics"`
}

// OPsTLS is TLS where OPs call, which may prove themselves by it.
type OPsTLS struct {
	KeyPair
	ClientCAFile string `koanf:"client_ca_file" desc:"Certificates (PEM) of the CA that issues the client certificates of OPs; see ops[].client_certificates. By itself it lets nobody in." derived:"a client certificate is known by its hash, whoever issued it"`
}

// ClientCAs reads ClientCAFile; nil if there is none.
func (t OPsTLS) ClientCAs() (*x509.CertPool, error) {
	if t.ClientCAFile == "" {
		return nil, nil
	}
	b, err := os.ReadFile(t.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("read CA of OPs: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, errNoCertificate
	}
	return pool, nil
}

var errNoCertificate = errors.New("there is no certificate in it")

// KeyPair is a certificate chain and its private key, as PEM files.
type KeyPair struct {
	CertFile string `koanf:"cert_file" desc:"Certificate chain (PEM) of this listener." derived:"no TLS"`
	KeyFile  string `koanf:"key_file" desc:"Private key (PEM) of this listener." derived:"no TLS"`
}

// Set reports whether the listener is to serve TLS.
func (k KeyPair) Set() bool { return k.CertFile != "" || k.KeyFile != "" }

// Database is where everything is kept.
type Database struct {
	URL             Secret `koanf:"url" desc:"sqlite:/path/to/file, or postgres://user:password@host/name for more than one node." derived:"sqlite: mitome.db in data_dir"`
	ManualMigration bool   `koanf:"manual_migration" desc:"true: do not migrate the schema when mitome serve starts; run mitome migrate." default:"false"`
}

// Alone reports whether no other node can share the database.
func (d Database) Alone() bool { return strings.HasPrefix(string(d.URL), "sqlite:") }

// Admin is who may use the admin API besides the peers of its Unix socket.
type Admin struct {
	Tokens []AdminToken `koanf:"tokens"`
}

// AdminToken lets the bearer of a token in, under a name for the audit log.
type AdminToken struct {
	Name   string `koanf:"name" desc:"Name of the administrator or program in the audit log: a-z, 0-9, hyphen." required:"true"`
	SHA256 string `koanf:"sha256" desc:"SHA-256 of the token in hex, as mitome admin token prints it. Put it in quotes." required:"true"`
}

// Sessions is how long a device may stay signed in.
type Sessions struct {
	Life time.Duration `koanf:"life" desc:"How long a device's session lasts; the device must be paired again after it." default:"9600h"`
}

// Pairing is how a user comes to have another device.
type Pairing struct {
	CoolingOff time.Duration `koanf:"cooling_off" desc:"How long a device that a user paired by herself waits before it may do anything, if she has one already; any of her older devices can confirm it at once, or cancel it." default:"24h"`
	MaxDevices int           `koanf:"max_devices" desc:"How many devices one user may have, 1 to 100." default:"10"`
}

// LogConfig is how the log looks.
type LogConfig struct {
	Level  string `koanf:"level" desc:"debug, info, warn or error." default:"info"`
	Format string `koanf:"format" desc:"json or text." default:"json"`
}

// OP is one connection to an OpenID Provider. What its kind needs besides stands
// next to these keys and is read by the kind itself.
type OP struct {
	Name      string                       `koanf:"name" desc:"Name of the connection, in URLs (/op/<name>), logs and the database: a-z, 0-9, hyphen. It cannot change later." required:"true"`
	Kind      string                       `koanf:"kind" desc:"What speaks with this OP." required:"true"`
	Title     string                       `koanf:"title" desc:"What users see as the name of this OP." derived:"the name"`
	Scopes    map[string]map[string]string `koanf:"scopes" desc:"What a scope lets the client do, for people to read: scope, then language, then text." derived:"the scope itself is shown"`
	Rules     policy.Rules                 `koanf:"rules"`
	Clients   []Client                     `koanf:"clients"`
	Limits    policy.Limits                `koanf:"limits"`
	Templates []string                     `koanf:"templates" desc:"Files or folders like templates_dir, for this connection alone. They go before those of templates_dir." derived:"none of its own"`
	Push      string                       `koanf:"push_detail" desc:"How much a push says, which a phone may show while it is locked: full is who asks and the binding message, client is who asks, none is that something waits. Whatever it says is encrypted to the device." default:"full"`
	SignIn    SignIn                       `koanf:"signin"`
	Signals   Signals                      `koanf:"signals"`
	Networks  []netip.Prefix               `koanf:"networks" desc:"From where this OP calls (CIDR), and tills that have a key of its connection; trusted_proxies apart. Calls from elsewhere are refused before anything of them is read." derived:"everywhere"`
	Settings  map[string]any               `koanf:",remain"`
}

// Secret is a string that must not be read by people: it prints as [secret].
type Secret string

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// String implements fmt.Stringer.
func (Secret) String() string { return "[secret]" }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return "[secret]" }

// Off is the word for a listener that is not wanted.
const Off = "off"

// derive fills the defaults that depend on other settings.
func (c *Config) derive() {
	set := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	if u, err := url.Parse(c.PublicURL); err == nil {
		set(&c.RPID, u.Hostname())
	}
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	set(&c.KeysFile, filepath.Join(c.DataDir, "keys.json"))
	set(&c.Listen.Admin, "unix:"+filepath.Join(c.DataDir, "admin.sock"))
	if c.Database.URL == "" {
		c.Database.URL = Secret("sqlite:" + filepath.Join(c.DataDir, "mitome.db"))
	}
	c.derivePush()
	for i := range c.OPs {
		set(&c.OPs[i].Title, c.OPs[i].Name)
		c.OPs[i].deriveSignIn()
		c.OPs[i].deriveSignals()
	}
}
