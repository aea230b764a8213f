package v1

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/web"
)

// People is what an OP may learn of users before it asks. device.Service
// implements it.
type People interface {
	FindUser(ctx context.Context, s device.Subject) (device.User, error)
	DevicesOf(ctx context.Context, u device.UserID) ([]device.Device, error)
	// IsLocked takes as long for nobody.
	IsLocked(ctx context.Context, u device.UserID) (bool, error)
	VerifyUserCode(ctx context.Context, try device.CodeTry, by device.Actor) error
}

const users = "/op/{name}/v1/users"

func (h *Handler) mountUsers(api huma.API) {
	web.Register(api, operation(http.MethodPost, users+"/resolve", "resolve-user", "Whom a login_hint means"), h.resolveUser)
	web.Register(api, operation(http.MethodPost, users+"/reachability", "reach-user", "Whether a user can be asked"), h.reachUser)
	web.Register(api, operation(http.MethodPost, users+"/user-code", "verify-user-code",
		"Verify a user's own code, before she is asked (CIBA Core §7.1, user_code)"), h.verifyUserCode)
}

// whom is a user as an OP names her.
type whom struct {
	Sub       string `json:"sub,omitempty" maxLength:"255" doc:"Your subject of the user; this or login_hint"`
	LoginHint string `json:"login_hint,omitempty" maxLength:"512" doc:"E-mail, phone number or user name, as your client sent it"`
}

// Resolve implements huma.ResolverWithPath.
func (w *whom) Resolve(_ huma.Context, at *huma.PathBuffer) []error {
	if (w.Sub == "") == (w.LoginHint == "") {
		return []error{&huma.ErrorDetail{Location: at.With("sub"), Message: "expected either sub or login_hint"}}
	}
	return nil
}

// subject is who is meant, among the users of the caller's own connection.
func (w whom) subject(c caller) device.Subject {
	s := device.Subject{OP: c.name, Sub: w.Sub}
	if w.Sub == "" {
		s.Hint = c.conn.HintOf(w.LoginHint)
	}
	return s
}

type (
	userIn struct {
		Name string `path:"name" maxLength:"32"`
		Body struct {
			LoginHint string `json:"login_hint" minLength:"1" maxLength:"512" doc:"E-mail, phone number or user name, as your client sent it"`
		}
	}
	userOut struct {
		Body struct {
			Sub string `json:"sub" doc:"Your subject of the user"`
		}
	}
	reachIn struct {
		Name string `path:"name" maxLength:"32"`
		Body whom
	}
	reachOut struct {
		Body struct {
			Reachable bool `json:"reachable" doc:"She has a device that may decide. False for one whom nobody knows too, unless the connection says tell_unknown_users"`
		}
	}
)

// resolveUser looks in the alias table.
func (h *Handler) resolveUser(ctx context.Context, in *userIn) (*userOut, error) {
	c := callerOf(ctx)
	u, err := h.People.FindUser(ctx, whom{LoginHint: in.Body.LoginHint}.subject(c))
	if errors.Is(err, device.ErrUnknownUser) {
		return nil, approval.ErrUnknownUser // in CIBA's word
	}
	if err != nil {
		return nil, err
	}
	var out userOut
	out.Body.Sub = u.Subject
	return &out, nil
}

// reachUser takes the two reads that a request would take. A user without a
// device and one who is not there are answered alike, unless the OP knows anyway
// who its users are and the operator says so.
func (h *Handler) reachUser(ctx context.Context, in *reachIn) (*reachOut, error) {
	c := callerOf(ctx)
	u, err := h.People.FindUser(ctx, in.Body.subject(c))
	unknown := errors.Is(err, device.ErrUnknownUser)
	if err != nil && !unknown {
		return nil, err
	}
	devices, err := h.People.DevicesOf(ctx, u.ID)
	if err != nil {
		return nil, err
	}
	locked, err := h.People.IsLocked(ctx, u.ID)
	if err != nil {
		return nil, err
	}
	if unknown && c.conn.TellsUnknownUsers() {
		return nil, approval.ErrUnknownUser
	}
	var out reachOut
	out.Body.Reachable = !locked && slices.ContainsFunc(devices, device.Device.MayApprove)
	return &out, nil
}

type (
	verifyIn struct {
		Name string `path:"name" maxLength:"32"`
		Body codeTry
	}
	codeTry struct {
		Sub       string `json:"sub,omitempty" maxLength:"255" doc:"Your subject of the user; this or login_hint"`
		LoginHint string `json:"login_hint,omitempty" maxLength:"512" doc:"E-mail, phone number or user name, as your client sent it"`
		ClientID  string `json:"client_id" minLength:"1" maxLength:"255" pattern:"^[^\\x00-\\x1f\\x7f]*$" doc:"Who tries: wrong codes are counted for each user and client"`
		UserCode  string `json:"user_code,omitempty" maxLength:"64" doc:"As your client sent it. A missing and an empty one are missing_user_code."`
	}
	verifyOut struct {
		Body struct {
			Verified bool `json:"verified" enum:"true"`
		}
	}
)

// Resolve implements huma.ResolverWithPath.
func (t *codeTry) Resolve(ctx huma.Context, at *huma.PathBuffer) []error {
	return (&whom{t.Sub, t.LoginHint}).Resolve(ctx, at)
}

// verifyUserCode answers yes, or one and the same no.
func (h *Handler) verifyUserCode(ctx context.Context, in *verifyIn) (*verifyOut, error) {
	c, b := callerOf(ctx), in.Body
	err := h.People.VerifyUserCode(ctx, device.CodeTry{
		Subject: whom{b.Sub, b.LoginHint}.subject(c), Client: b.ClientID, Code: b.UserCode,
	}, c.by)
	if err != nil {
		return nil, err
	}
	var out verifyOut
	out.Body.Verified = true
	return &out, nil
}
