// Package opapi is where OpenID Providers hand over their requests, each in its
// own dialect: POST /op/{name}.
//
// # Why
//
// The OP hears its answer before anything else is done with a request, and only
// then may a report of it leave: several OPs store a request no earlier than our
// yes, and reject a decision that comes before. And an OP that never heard that
// yes has given the request up, so it is taken back here: otherwise a user would
// be asked about something that nobody waits for.
package opapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/web"
)

// recallTime bounds the taking back of a request, which must not end with the
// OP's call: that has ended already, and is why.
const recallTime = 10 * time.Second

// Handler serves the OPs.
type Handler struct {
	Adapters map[string]op.Adapter // by the connection's name
	Requests Requests
	Networks web.Networks // from where each may be called
	Acks     *op.Acks
	Log      *slog.Logger
	// Observe, if set, is told what came of each call, in one of the words below,
	// for metrics.
	Observe func(op, result string)

	held held
}

// What came of a call.
const (
	Taken       = "taken"       // a request, told to its OP
	Unauthentic = "unauthentic" // not the OP
	Malformed   = "malformed"
	Refused     = "refused" // understood, and not to be put to anybody
	Orphan      = "orphan"  // taken back: the OP did not hear that we took it
	Fault       = "fault"   // ours
)

// Requests is what this package needs of approval.Service.
type Requests interface {
	Accept(ctx context.Context, a approval.Ask, by device.Actor) (approval.Request, error)
	Recall(ctx context.Context, id approval.RequestID, by device.Actor) (approval.Request, error)
	Asked(ctx context.Context, id approval.RequestID, op string) (approval.Request, error)
	AskedUnder(ctx context.Context, ref, op string) (approval.Request, error)
}

// errElsewhere is what the OP hears whose call comes from elsewhere: no more than
// who is not the OP.
var errElsewhere = fmt.Errorf("%w: not from a network of the connection", op.ErrUnauthentic)

// errOrphan is what the OP hears of a request that was taken back.
var errOrphan = errors.New("opapi: request was taken back")

// Mount adds the routes. The second is for OPs that are made for Authlete's
// simulator and know a base URL and nothing else.
func (h *Handler) Mount(g gin.IRoutes) {
	g.POST("/op/:name", web.Handle(h.receive))
	g.POST("/op/:name/ad/:secret/api/authenticate/:call", web.Handle(h.authenticate))
}

// receive takes one request from an OP. The answer is always in the OP's dialect,
// but for a name that is no OP's.
func (h *Handler) receive(c *gin.Context) error {
	name := c.Param("name")
	adapter, ok := h.Adapters[name]
	if !ok {
		return web.ErrNotFound
	}
	v := &visit{h: h, name: name, adapter: adapter, c: c, start: time.Now()}
	v.by = device.Actor{Kind: device.ActorOP, ID: name, IP: remoteIP(c)}
	result, err := v.serve()
	if err != nil {
		level := slog.LevelWarn
		if result == Fault {
			level = slog.LevelError
		}
		h.Log.Log(c.Request.Context(), level, "op request not taken",
			"op", name, "ip", v.by.IP, "result", result, "request", v.request, "err", err)
	}
	if h.Observe != nil {
		h.Observe(name, result)
	}
	return nil
}

// remoteIP is where the connection comes from. Gin knows which proxies to believe.
func remoteIP(c *gin.Context) netip.Addr {
	ip, _ := netip.ParseAddr(c.ClientIP()) // the zero Addr stands for "not known"
	return ip.Unmap()
}

// visit is one call of an OP.
type visit struct {
	h       *Handler
	name    string
	adapter op.Adapter
	c       *gin.Context
	by      device.Actor
	start   time.Time
	request approval.RequestID
	held    bool // the OP waits for the decision, not for an ack
}

// serve does everything from reading to answering, and returns what came of it.
func (v *visit) serve() (string, error) {
	r := v.c.Request
	if !v.h.Networks.Admit(v.name, v.by.IP) {
		return v.refuse(approval.Ask{}, errElsewhere)
	}
	r.Body = http.MaxBytesReader(v.c.Writer, r.Body, web.MaxBody+1)
	ask, err := v.adapter.Receive(r)
	if err != nil {
		return v.refuse(ask, err)
	}
	ask.ID, ask.OP, ask.Subject.OP = approval.NewRequestID(), v.name, v.name
	release := v.h.Acks.Hold(ask.ID)
	defer release(0) // on a panic; otherwise it was called before

	v.request = ask.ID
	req, err := v.accept(ask)
	if err != nil {
		result, err := v.refuse(ask, err)
		if result == Fault || result == Orphan { // it may have been stored all the same
			err = errors.Join(err, v.recall(ask.ID))
		}
		return result, err
	}
	v.request = req.ID
	if req, err = v.hold(ask, req); err != nil {
		v.adapter.Reply(v.c.Writer, ask, req, errOrphan)
	} else {
		err = v.answer(ask, req)
	}
	if err != nil {
		if req.ID == ask.ID { // a repetition's request is not the repetition's to take back
			err = errors.Join(err, v.recall(req.ID))
		}
		return Orphan, err
	}
	release(ask.Guard)
	return Taken, nil
}

// accept stores ask. If the OP sent it before, and we are still busy with that
// first call, its outcome decides this one's: it may be about to be taken back.
func (v *visit) accept(ask approval.Ask) (approval.Request, error) {
	ctx := v.c.Request.Context()
	req, err := v.h.Requests.Accept(ctx, ask, v.by)
	if err != nil || req.ID == ask.ID {
		return req, err
	}
	if err := v.h.Acks.Wait(ctx, req.ID); err != nil {
		return req, err
	}
	req, err = v.h.Requests.Accept(ctx, ask, v.by)
	if err == nil && req.State == approval.Withdrawn {
		err = errOrphan
	}
	return req, err
}

// answer tells the OP yes. An error means that it did not hear it in time.
func (v *visit) answer(ask approval.Ask, req approval.Request) error {
	if err := v.gone(); err != nil {
		v.adapter.Reply(v.c.Writer, ask, req, errOrphan) // should it listen after all, it must not hear yes
		return errors.Join(err, flush(v.c.Writer))
	}
	v.adapter.Reply(v.c.Writer, ask, req, nil)
	if err := flush(v.c.Writer); err != nil {
		return err
	}
	return v.late()
}

// gone says whether the OP has stopped waiting. It is asked before the answer
// leaves: once it has its answer an OP may hang up as it likes.
func (v *visit) gone() error {
	if err := v.c.Request.Context().Err(); err != nil {
		return errors.New("OP hung up before it was answered")
	}
	return v.late()
}

func (v *visit) late() error {
	if hurried, ok := v.adapter.(op.Hurried); ok && !v.held && time.Since(v.start) >= hurried.AckWithin() {
		return errors.New("OP was answered too late")
	}
	return nil
}

// refuse answers with err, and says what kind of no it is.
func (v *visit) refuse(ask approval.Ask, err error) (string, error) {
	v.adapter.Reply(v.c.Writer, ask, approval.Request{}, err)
	for _, row := range []struct {
		err    error
		result string
	}{
		{op.ErrUnauthentic, Unauthentic},
		{op.ErrMalformed, Malformed},
		{approval.ErrRefReused, Refused},
		{approval.ErrUnknownUser, Refused},
		{approval.ErrBindingMessage, Refused},
		{approval.ErrACR, Refused},
		{approval.ErrScope, Refused},
		{approval.ErrCodeShape, Refused},
		{approval.ErrNoCode, Refused},
		{errOrphan, Orphan},
	} {
		if errors.Is(err, row.err) {
			return row.result, err
		}
	}
	if v.c.Request.Context().Err() != nil { // the OP hung up, and our own work broke off with it
		return Orphan, err
	}
	return Fault, err
}

// recall takes back what the OP does not know of. A request that was settled
// meanwhile stays as it is: its report will be refused.
func (v *visit) recall(id approval.RequestID) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.c.Request.Context()), recallTime)
	defer cancel()
	_, err := v.h.Requests.Recall(ctx, id, v.by)
	if errors.Is(err, approval.ErrSettled) || errors.Is(err, approval.ErrNotFound) {
		return nil
	}
	return err
}

// flush sends what was written. Gin's own Flush swallows the error that says the
// OP is not there any more.
func flush(w gin.ResponseWriter) error {
	w.WriteHeaderNow()
	for rw := http.ResponseWriter(w); ; {
		if f, ok := rw.(interface{ FlushError() error }); ok {
			return f.FlushError()
		}
		u, ok := rw.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return errors.New("opapi: answer cannot be flushed")
		}
		rw = u.Unwrap()
	}
}
