package adminapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/web"
)

// User is a user, as administrators see it.
type User struct {
	ID        string    `json:"id"`
	OP        string    `json:"op"`
	Subject   string    `json:"subject"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
}

func userOf(u device.User) User {
	return User{string(u.ID), u.OP, u.Subject, u.Name, u.CreatedAt.UTC()}
}

// NewUser is what makes a user.
type NewUser struct {
	OP      string `json:"op" minLength:"1" maxLength:"32" doc:"Name of the connection."`
	Subject string `json:"subject" minLength:"1" maxLength:"255" doc:"The OP's own name for the user: the sub claim."`
	Name    string `json:"name,omitempty" maxLength:"512" doc:"For people to read."`
}

// NewHint is another way in which the OP or its clients name a user.
type NewHint struct {
	Kind  string `json:"kind" minLength:"1" maxLength:"64" doc:"username, email, phone or custom:…"`
	Value string `json:"value" minLength:"1" maxLength:"512"`
}

// Users is a list of them.
type userList struct {
	Users []User `json:"users"`
}

type (
	userPath struct {
		ID string `path:"id" maxLength:"64"`
	}
	userQuery struct {
		OP   string `query:"op" maxLength:"32"`
		Find string `query:"find" maxLength:"512" doc:"An id, subject, name or user name, in full."`
	}
	addUserIn struct{ Body NewUser }
	addHintIn struct {
		ID   string `path:"id" maxLength:"64"`
		Body NewHint
	}
)

func (a *API) mountUsers(api huma.API) {
	web.Register(api, get("/v1/ops", "list-ops", "The connections to OPs"), a.listOPs)
	web.Register(api, post("/v1/users", "add-user", "Make a user", http.StatusCreated), a.addUser)
	web.Register(api, get("/v1/users", "list-users", "List or find users"), a.listUsers)
	web.Register(api, get("/v1/users/{id}", "get-user", "One user"), a.getUser)
	web.Register(api, post("/v1/users/{id}/hints", "add-hint", "Have a hint mean a user", http.StatusNoContent), a.addHint)
}

// OPList is a list of connections.
type opList struct {
	OPs []OP `json:"ops"`
}

func (a *API) listOPs(context.Context, *none) (*body[opList], error) {
	return answer(opList{a.OPs}, nil)
}

// addUser makes a user of an OP that is configured; any other name is a slip
// that would make a user whom no OP can ever mean.
func (a *API) addUser(ctx context.Context, in *addUserIn) (*body[User], error) {
	if !slices.ContainsFunc(a.OPs, func(o OP) bool { return o.Name == in.Body.OP }) {
		return nil, web.ErrNoOP
	}
	u, err := a.Users.AddUser(ctx, device.User{OP: in.Body.OP, Subject: in.Body.Subject, Name: in.Body.Name}, actorOf(ctx))
	return answer(userOf(u), err)
}

func (a *API) listUsers(ctx context.Context, in *userQuery) (*body[userList], error) {
	users, err := a.Users.ListUsers(ctx, in.OP)
	if err != nil {
		return nil, err
	}
	out := userList{Users: []User{}}
	meant, err := a.meant(ctx, in)
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		if in.Find == "" || string(u.ID) == in.Find || u.Subject == in.Find || u.Name == in.Find || meant[u.ID] {
			out.Users = append(out.Users, userOf(u))
		}
	}
	return answer(out, nil)
}

// meant finds whom in.Find means as a user name, at each OP in question.
func (a *API) meant(ctx context.Context, in *userQuery) (map[device.UserID]bool, error) {
	found := map[device.UserID]bool{}
	if in.Find == "" {
		return found, nil
	}
	for _, o := range a.OPs {
		if in.OP != "" && in.OP != o.Name {
			continue
		}
		u, err := a.Users.FindUser(ctx, device.Subject{OP: o.Name, Hint: device.Hint{Kind: "username", Value: in.Find}})
		switch {
		case err == nil:
			found[u.ID] = true
		case !errors.Is(err, device.ErrUnknownUser):
			return nil, err
		}
	}
	return found, nil
}

func (a *API) getUser(ctx context.Context, in *userPath) (*body[User], error) {
	u, err := a.Users.User(ctx, device.UserID(in.ID))
	return answer(userOf(u), err)
}

func (a *API) addHint(ctx context.Context, in *addHintIn) (*none, error) {
	h := device.Hint{Kind: in.Body.Kind, Value: in.Body.Value}
	return &none{}, a.Users.AddHint(ctx, device.UserID(in.ID), h, actorOf(ctx))
}
