// Command mitome is the CIBA authentication-device gateway: the server, its
// administration, and an authentication device in software.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/mitome-ciba/mitome/cmd/mitome/demo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// What run returns.
const (
	exitOK     = 0
	exitFailed = 1 // it was refused, or went wrong
	exitUsage  = 2 // it was not understood
)

// run is main with its surroundings handed in, so that tests can call it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (code int) {
	defer func() { // kong leaves by its Exit, which must not return
		switch e := recover().(type) {
		case nil:
		case leave:
			code = int(e)
		default: // a fault of ours must not look like success
			panic(e)
		}
	}()
	var c cli
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "device"
	}
	parser, err := kong.New(&c, kong.Name("mitome"), kong.Description(about), kong.Vars{"hostname": host, "demo": demo.Address}, groups,
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { panic(leave(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}))
	if err != nil {
		fmt.Fprintln(stderr, "mitome:", err)
		return exitUsage
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	cmd, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "mitome: %v\nTry mitome --help.\n", err)
		return exitUsage
	}
	a := &app{ctx: ctx, in: stdin, out: stdout, err: stderr, json: c.JSON, config: c.Config, admin: c.Admin}
	if err := cmd.Run(a); err != nil {
		if !errors.Is(err, errSaid) {
			fmt.Fprintf(stderr, "mitome: %s\n", sentence(err))
		}
		return exitFailed
	}
	return exitOK
}

// leave is how kong's Exit unwinds to run.
type leave int

// errSaid: the command has said itself why it failed.
var errSaid = errors.New("mitome: failed")

// cli is the whole command line.
type cli struct {
	Config string `help:"Configuration file." placeholder:"FILE" env:"MITOME_CONFIG"`
	Admin  string `help:"Admin API of a running mitome: unix:/path, host:port or URL; by default the configuration's listen.admin. MITOME_ADMIN_TOKEN, or the file named by MITOME_ADMIN_TOKEN_FILE, holds the bearer token." placeholder:"ADDRESS" env:"MITOME_ADMIN_URL"`
	JSON   bool   `help:"Write JSON, for scripts." name:"json"`

	Serve    serveCmd    `cmd:"" help:"Run the server."`
	Demo     demoCmd     `cmd:"" help:"See CIBA happen: a shop, an OP and this server on one port of this machine, for a first look."`
	Migrate  migrateCmd  `cmd:"" help:"Bring the database's schema up to date."`
	Conf     configCmd   `cmd:"" name:"config" help:"Check the configuration, or print its reference."`
	Template templateCmd `cmd:"" help:"Check and preview templates, which say how the details of requests are shown."`
	Keys     keysCmd     `cmd:"" help:"Make, list and rotate the server's keys."`
	Token    adminCmd    `cmd:"" name:"admin" help:"Make tokens for administrators."`
	Doctor   doctorCmd   `cmd:"" help:"Look at configuration, keys, database, OPs, clock and public URL, and say what to mend; exit 1 if there is a fault."`
	Health   healthCmd   `cmd:"" help:"Ask the server on this machine whether it is ready; exit 1 if it is not."`
	Version  versionCmd  `cmd:"" help:"Print the version."`

	User     userCmd     `cmd:"" group:"admin" help:"Users and their devices."`
	Pair     pairCmd     `cmd:"" group:"admin" help:"Pair a phone with a user: shows a QR code and waits."`
	Request  requestCmd  `cmd:"" group:"admin" help:"Requests: list, show, withdraw."`
	OP       opCmd       `cmd:"" name:"op" group:"admin" help:"Connections to OpenID Providers."`
	Evidence evidenceCmd `cmd:"" group:"admin" help:"Export the evidence of a decision, or verify it offline."`
	Audit    auditCmd    `cmd:"" group:"admin" help:"The audit log, in the database of the configuration: verify, checkpoint, export."`

	Device deviceCmd `cmd:"" group:"device" help:"Be an authentication device in software: pair, list, show, approve, deny, listen."`
}

// groups are the headings of the help.
var groups = kong.Groups{
	"admin":  "Administration of a running server:",
	"device": "An authentication device in software:",
}

const about = `Mitome puts authentication requests of OpenID Providers (CIBA) to people's devices.`

// app is what every command is given.
type app struct {
	ctx    context.Context // ends on an interrupt
	in     io.Reader
	out    io.Writer
	err    io.Writer
	json   bool
	config string
	admin  string
}

// sentence is err for people: one sentence, or the list that it is.
func sentence(err error) string {
	s := strings.TrimSpace(err.Error())
	if s != "" && !strings.ContainsAny(s[len(s)-1:], ".!?") {
		s += "."
	}
	return s
}
