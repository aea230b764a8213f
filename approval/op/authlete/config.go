package authlete

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
)

// Config is the part of a connection's configuration that is this kind's own.
type Config struct {
	Secret     approval.Secret `koanf:"secret" desc:"Secret in the path that the OP calls, by which alone it proves itself: 32 to 128 of A-Z, a-z, 0-9, hyphen and underscore. The OP's base URL is https://<mitome>/op/<name>/ad/<secret>." derived:"that of secret_file"`
	SecretFile string          `koanf:"secret_file" desc:"File that holds secret." derived:"none"`
	Workspace  string          `koanf:"workspace" desc:"The workspace that the OP names; a request of another is refused." derived:"the connection's name"`
	ServerURL  string          `koanf:"server_url" desc:"Where the OP is, for the decisions that it wants told (its mode ASYNC): https://host. They go to /api/backchannel/authentication/callback below it." derived:"none: the OP asks in mode SYNC or POLL"`
	ACRValues  []string        `koanf:"acr_values" desc:"What an approval must reach, all of them; one that does not is a denial. The OP asserts what its client asked for and does not say what that was." derived:"any"`
	PollFor    time.Duration   `koanf:"poll_for" desc:"How long the OP polls in mode POLL before it gives up: its interval times one less than its number of tries. Users cannot answer longer." default:"45s"`
	Margin     time.Duration   `koanf:"margin" desc:"How long before the OP's own time limit users can no longer answer; at least 3s, so that the answer arrives in time." default:"3s"`
	Guard      time.Duration   `koanf:"guard" desc:"How long after our answer in mode ASYNC no decision is sent: the OP stores the request only after it. A decision that comes too early all the same is told again." default:"500ms"`
}

const maxGuard = 5 * time.Second

// inPath is a secret that stands in a path as it is.
var inPath = regexp.MustCompile(`^[A-Za-z0-9_-]{32,128}$`)

// CallbackURL is where decisions are told; empty if they are not.
func (c *Config) CallbackURL() string {
	if c.ServerURL == "" {
		return ""
	}
	return c.ServerURL + "/api/backchannel/authentication/callback"
}

// finish fills what a file holds and returns all faults, one an error.
func (c *Config) finish(name string) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.Workspace == "" {
		c.Workspace = name
	}
	if err := c.readSecret(); err != nil {
		faults = append(faults, err)
	} else if !inPath.MatchString(string(c.Secret)) {
		fault("secret must be 32 to 128 letters, digits, hyphens and underscores: nothing else authenticates the OP")
	}
	if u, err := url.Parse(c.ServerURL); c.ServerURL != "" &&
		(err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" ||
			u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.HasSuffix(c.ServerURL, "/")) {
		fault("server_url must be an http or https URL, without query and without a slash at its end")
	}
	if c.Margin < op.Margin {
		fault("margin must be at least %v", op.Margin)
	}
	if c.PollFor <= c.Margin {
		fault("poll_for must be longer than margin")
	}
	if c.Guard < 0 || c.Guard > maxGuard {
		fault("guard must be at most %v", maxGuard)
	}
	return errors.Join(faults...)
}

// readSecret takes the secret from its file, if it has one.
func (c *Config) readSecret() error {
	if c.SecretFile == "" {
		return nil
	}
	if c.Secret != "" {
		return errors.New("secret and secret_file cannot both be set")
	}
	b, err := os.ReadFile(c.SecretFile)
	if err != nil {
		return fmt.Errorf("secret_file: %w", err)
	}
	c.Secret = approval.Secret(strings.TrimSpace(string(b)))
	return nil
}
