package server

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/mitome-ciba/mitome/server/adminapi"
	"github.com/mitome-ciba/mitome/server/deskapi"
	"github.com/mitome-ciba/mitome/server/links"
	"github.com/mitome-ciba/mitome/server/opapi"
	v1 "github.com/mitome-ciba/mitome/server/opapi/v1"
	"github.com/mitome-ciba/mitome/server/pages"
	"github.com/mitome-ciba/mitome/server/signin"
	"github.com/mitome-ciba/mitome/server/userapi"
	"github.com/mitome-ciba/mitome/server/web"
)

// The listeners.
const (
	Devices = "devices"
	OPs     = "ops"
	Admin   = "admin"
	Scrape  = "metrics"
)

// Guard is what stands before a route.
type Guard string

// The guards.
const (
	Anybody Guard = "anybody" // public by intent, and holds no secret
	Proof   Guard = "proof"   // a DPoP proof; the secret in the body is the right
	Session Guard = "session" // a session and its proof
	Holder  Guard = "holder"  // a capability in the body, which is the right to this alone
	Page    Guard = "page"    // a page of ours asks, and gives no right by that
	Desk    Guard = "desk"    // a user who has just signed in at her OP
	SignIn  Guard = "sign-in" // the OP says who it is
	Known   Guard = "known"   // a page that shows something of somebody: others are sent to /unlock or to sign in
	Sink    Guard = "sink"    // takes what browsers report; answers nothing
	Dialect Guard = "dialect" // the OP's own authentication, by its adapter
	Key     Guard = "key"     // a proof that it is the OP of the connection that the path names
	Bearer  Guard = "bearer"  // an administrator: a token, or the peer of the Unix socket
	Reach   Guard = "reach"   // whoever can reach the listener
)

// Route is one thing that can be called, where, and what stands before it.
type Route struct {
	Listener, Method, Path string
	Guard                  Guard
}

// routes is every route of Mitome. A route that is not here does not start, and
// a test calls each without what its guard demands.
var routes = []Route{
	{Devices, "POST", "/v1/pairings/claim", Proof},
	{Devices, "GET", "/v1/pairings/:id", Session},
	{Devices, "POST", "/v1/pairings/:id/passkey/options", Session},
	{Devices, "POST", "/v1/pairings/:id/passkey", Session},
	{Devices, "GET", "/v1/requests", Session},
	{Devices, "GET", "/v1/requests/:id", Session},
	{Devices, "GET", "/v1/requests/wait", Session},
	{Devices, "GET", "/v1/history", Session},
	{Devices, "POST", "/v1/session/challenge", Page},
	{Devices, "POST", "/v1/session", Page},
	{Devices, "DELETE", "/v1/session", Session},
	{Devices, "POST", "/v1/requests/:id/challenge", Session},
	{Devices, "POST", "/v1/requests/:id/decision", Session},
	{Devices, "POST", "/v1/requests/:id/deny", Holder},
	{Devices, "GET", "/v1/devices", Session},
	{Devices, "PATCH", "/v1/devices/:id", Session},
	{Devices, "DELETE", "/v1/devices/:id", Session},
	{Devices, "POST", "/v1/devices/:id/confirm", Session},
	{Devices, "POST", "/v1/devices/:id/lost/challenge", Session},
	{Devices, "POST", "/v1/devices/:id/lost", Session},
	{Devices, "GET", "/v1/user-codes", Session},
	{Devices, "POST", "/v1/devices/:id/user-code/challenge", Session},
	{Devices, "POST", "/v1/devices/:id/user-code", Session},
	{Devices, "GET", "/v1/quiet-hours", Session},
	{Devices, "POST", "/v1/devices/:id/quiet-hours", Session},
	{Devices, "GET", "/v1/push", Session},
	{Devices, "POST", "/v1/devices/:id/addresses", Session},
	{Devices, "DELETE", "/v1/devices/:id/addresses/:aid", Session},
	{Devices, "POST", "/v1/devices/:id/test", Session},
	{Devices, "POST", "/v1/devices/:id/hint-tokens/challenge", Session},
	{Devices, "POST", "/v1/devices/:id/hint-tokens/unlock", Session},
	{Devices, "POST", "/v1/devices/:id/hint-tokens", Session},
	{Devices, "POST", "/v1/requests/:id/not-me/challenge", Session},
	{Devices, "GET", "/v1/locks", Session},
	{Devices, "POST", "/v1/devices/:id/lock/challenge", Session},
	{Devices, "POST", "/v1/devices/:id/lock", Session},
	{Devices, "GET", "/v1/socket", Session},
	{Devices, "POST", "/v1/desk/pairings", Desk},
	{Devices, "GET", "/v1/desk/pairings/:id", Desk},
	{Devices, "POST", "/v1/desk/pairings/:id/confirm", Desk},
	{Devices, "POST", "/v1/desk/pairings/:id/cancel", Desk},
	{Devices, "DELETE", "/v1/desk", Desk},
	{Devices, "GET", "/signin/:op", SignIn},
	{Devices, "GET", "/signin/callback", SignIn},
	{Devices, "GET", "/.well-known/jwks.json", Anybody},
	{Devices, "GET", "/.well-known/apple-app-site-association", Anybody},
	{Devices, "GET", "/.well-known/assetlinks.json", Anybody},
	{Devices, "GET", "/.well-known/webauthn", Anybody},

	{Devices, "GET", "/", Anybody}, // to a stranger it says how to pair
	{Devices, "GET", "/requests/:id", Known},
	{Devices, "GET", "/devices", Known},
	{Devices, "GET", "/code-word", Known},
	{Devices, "GET", "/quiet", Known},
	{Devices, "GET", "/lock", Known},
	{Devices, "GET", "/code", Known},
	{Devices, "GET", "/pair", Anybody},
	{Devices, "GET", "/pair/new", Known},
	{Devices, "GET", "/signin", Anybody},
	{Devices, "GET", "/unlock", Anybody},
	{Devices, "GET", "/static/:hash/*file", Anybody},
	{Devices, "GET", "/sw.js", Anybody},
	{Devices, "POST", "/csp", Sink},

	{Devices, "GET", "/openapi.json", Anybody},
	{Devices, "GET", "/v1/desk/openapi.json", Anybody},

	{OPs, "POST", "/op/:name", Dialect},
	{OPs, "POST", "/op/:name/ad/:secret/api/authenticate/:call", Dialect},
	{OPs, "POST", "/op/:name/v1/requests", Key},
	{OPs, "GET", "/op/:name/v1/requests/:id", Key},
	{OPs, "POST", "/op/:name/v1/requests/:id/cancel", Key},
	{OPs, "POST", "/op/:name/v1/login-hint-tokens/resolve", Key},
	{OPs, "POST", "/op/:name/v1/login-hint-tokens/exchange", Key},
	{OPs, "POST", "/op/:name/v1/users/resolve", Key},
	{OPs, "POST", "/op/:name/v1/users/reachability", Key},
	{OPs, "POST", "/op/:name/v1/users/user-code", Key},
	{OPs, "GET", "/openapi.json", Anybody},

	{Admin, "GET", "/openapi.json", Anybody},
	{Admin, "GET", "/v1/ops", Bearer},
	{Admin, "POST", "/v1/users", Bearer},
	{Admin, "GET", "/v1/users", Bearer},
	{Admin, "GET", "/v1/users/:id", Bearer},
	{Admin, "DELETE", "/v1/users/:id", Bearer},
	{Admin, "POST", "/v1/users/:id/hints", Bearer},
	{Admin, "POST", "/v1/users/:id/user-code", Bearer},
	{Admin, "DELETE", "/v1/users/:id/user-code", Bearer},
	{Admin, "POST", "/v1/users/:id/lock", Bearer},
	{Admin, "DELETE", "/v1/users/:id/lock", Bearer},
	{Admin, "GET", "/v1/users/:id/devices", Bearer},
	{Admin, "GET", "/v1/devices/:id", Bearer},
	{Admin, "POST", "/v1/devices/:id/rename", Bearer},
	{Admin, "POST", "/v1/devices/:id/revoke", Bearer},
	{Admin, "POST", "/v1/devices/:id/activate", Bearer},
	{Admin, "POST", "/v1/pairings", Bearer},
	{Admin, "GET", "/v1/pairings/:id", Bearer},
	{Admin, "POST", "/v1/pairings/:id/confirm", Bearer},
	{Admin, "POST", "/v1/pairings/:id/cancel", Bearer},
	{Admin, "GET", "/v1/requests", Bearer},
	{Admin, "GET", "/v1/requests/:id", Bearer},
	{Admin, "POST", "/v1/requests/:id/withdraw", Bearer},
	{Admin, "GET", "/v1/requests/:id/evidence", Bearer},

	{Scrape, "GET", "/livez", Reach},
	{Scrape, "GET", "/readyz", Reach},
	{Scrape, "GET", "/metrics", Reach},
}

// Routers makes the router of each listener.
type Routers struct {
	User    *userapi.Handler
	Pages   *pages.Handler
	Links   links.Files
	Desk    *deskapi.Handler
	SignIn  *signin.Handler
	OPs     *opapi.Handler
	OPAPI   *v1.Handler
	Admin   *adminapi.API
	Health  *Health
	Metrics *Metrics
	Log     *slog.Logger
	Trusted []string // proxies whose X-Forwarded-For is believed
	OnlyTLS bool     // browsers come by https, here or by a proxy
}

// Build returns the router of each listener by its name. It returns an error if
// they do not hold exactly what the table of routes says.
func (r Routers) Build() (map[string]*gin.Engine, error) {
	mount := map[string]func(*gin.Engine) error{
		Devices: r.mountDevices,
		OPs:     r.mountOPs,
		Admin:   func(e *gin.Engine) error { return publish(e, "/openapi.json", r.Admin.Mount(e, &e.RouterGroup)) },
		Scrape:  r.mountScrape,
	}
	out := map[string]*gin.Engine{}
	for name, add := range mount {
		e, err := web.NewEngine(r.Log.With("listener", name), r.Trusted)
		if err != nil {
			return nil, err
		}
		e.Use(r.Metrics.observe(name))
		if err := add(e); err != nil {
			return nil, err
		}
		if err := check(name, e); err != nil {
			return nil, err
		}
		out[name] = e
	}
	return out, nil
}

func (r Routers) mountDevices(e *gin.Engine) error {
	if r.OnlyTLS {
		e.Use(web.OnlyTLS)
	}
	r.SignIn.Mount(e)
	r.Pages.Mount(e)
	r.Links.Mount(e)
	return errors.Join(
		publish(e, "/openapi.json", r.User.Mount(e, &e.RouterGroup)),
		publish(e, "/v1/desk/openapi.json", r.Desk.Mount(e, &e.RouterGroup)))
}

func (r Routers) mountOPs(e *gin.Engine) error {
	r.OPs.Mount(e)
	return publish(e, "/openapi.json", r.OPAPI.Mount(e, &e.RouterGroup))
}

func (r Routers) mountScrape(e *gin.Engine) error {
	e.GET("/livez", r.Health.live)
	e.GET("/readyz", r.Health.ready)
	e.GET("/metrics", gin.WrapH(promhttp.HandlerFor(r.Metrics.Registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, // what a dead database cannot say must not hide the rest
	})))
	return nil
}

// check compares what a listener answers with the table.
func check(listener string, e *gin.Engine) error {
	left := slices.DeleteFunc(slices.Clone(routes), func(r Route) bool { return r.Listener != listener })
	for _, have := range e.Routes() {
		i := slices.IndexFunc(left, func(r Route) bool { return r.Method == have.Method && r.Path == have.Path })
		if i < 0 {
			return fmt.Errorf("server: %s %s on %s is not in the table of routes", have.Method, have.Path, listener)
		}
		left = slices.Delete(left, i, i+1)
	}
	if len(left) > 0 {
		return fmt.Errorf("server: nobody answers %s %s on %s", left[0].Method, left[0].Path, listener)
	}
	return nil
}
