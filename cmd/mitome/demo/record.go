package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mitome-ciba/mitome/approval/rp"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/op"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/tape"
)

// ways are who says something to whom in each conversation. What arrives at the
// OP's webhook and at the shop's endpoints is not among them: it is seen before
// it is served, so that the tape has it before what follows from it.
var ways = map[rp.Kind][2]string{
	rp.Backchannel: {tape.Shop, tape.OP},
	rp.Token:       {tape.Shop, tape.OP},
	op.AskMitome:   {tape.OP, tape.Mitome},
}

// cutByRP is what package rp puts where a secret stood.
const cutByRP = "[secret]"

// record puts a message on the tape.
func (d *Demo) record(m rp.Message) {
	way, ok := ways[m.Kind]
	if !ok {
		return
	}
	title := m.Method + " " + pathOf(m.URL)
	if m.Answer {
		way[0], way[1] = way[1], way[0]
		title = answerTitle(m.Status)
	}
	d.tape.Add(tape.Message{
		At: m.At, From: way[0], To: way[1], Title: title,
		Lines: append(headerLines(m.Header), bodyLines(m.Body)...),
	})
}

func answerTitle(status int) string {
	return fmt.Sprintf("%d %s", status, http.StatusText(status))
}

func pathOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "?"
	}
	return u.EscapedPath()
}

// headerLines are the headers worth reading, in a stable order.
func headerLines(h http.Header) (lines []string) {
	for name, values := range h {
		if name == "Content-Type" {
			continue
		}
		for _, v := range values {
			if scheme, _, ok := strings.Cut(v, " "); ok && name == "Authorization" {
				v = scheme + " " + tape.Gone
			} else {
				v = tape.Cut(name, v)
			}
			lines = append(lines, name+": "+v)
		}
	}
	slices.Sort(lines)
	return lines
}

// bodyLines are the members of a form or of a JSON object, one a line.
func bodyLines(body string) (lines []string) {
	if lines = jsonLines([]byte(body)); lines != nil {
		return lines
	}
	for line := range strings.Lines(body) {
		line = strings.TrimRight(line, "\n")
		name, value, ok := strings.Cut(line, "=")
		if !ok || strings.ContainsAny(name, " \"{}") { // inside a signed request, which rp has cut
			lines = append(lines, strings.ReplaceAll(line, cutByRP, tape.Gone))
			continue
		}
		lines = append(lines, name+": "+tape.Cut(name, value))
	}
	return lines
}

// verified is the one user_code that is none: the word that it was typed.
const verified = "data.decision.user_code"

// memberLines writes an object one member a line. Objects within are written
// out, as the decision is; lists are left in JSON.
func memberLines(prefix string, object map[string]any) (lines []string) {
	for name, value := range object {
		switch v := value.(type) {
		case map[string]any:
			lines = append(lines, memberLines(prefix+name+".", v)...)
		case string:
			if prefix+name != verified {
				v = tape.Cut(name, v)
			}
			lines = append(lines, prefix+name+": "+v)
		default:
			text, err := json.Marshal(v)
			if err != nil {
				continue // it came from JSON
			}
			lines = append(lines, prefix+name+": "+tape.Cut(name, string(text)))
		}
	}
	slices.Sort(lines)
	return lines
}

// maxSeen is how much of a call is looked at; none of them needs more.
const maxSeen = 64 << 10

// call is one that is seen on its way in.
type call struct {
	from, to, title string
	lines           func(body []byte) []string // of the call
	answer          func(body []byte) []string // of the answer to it
}

// see puts a call on the tape, serves it, and puts the answer on the tape.
func (d *Demo) see(w http.ResponseWriter, r *http.Request, c call, next http.Handler) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSeen))
	if err != nil {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	d.tape.Add(tape.Message{At: time.Now(), From: c.from, To: c.to, Title: c.title, Lines: c.lines(body)})
	seen := &answerSeen{ResponseWriter: w, status: http.StatusOK}
	next.ServeHTTP(seen, r)
	d.tape.Add(tape.Message{
		At: time.Now(), From: c.to, To: c.from, Title: answerTitle(seen.status), Lines: c.answer(seen.body.Bytes()),
	})
}

// seeProtocol is see for what the standards describe.
func (d *Demo) seeProtocol(from, to string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := http.Header{}
		for _, name := range []string{"Authorization", "Webhook-Id"} {
			if v := r.Header.Get(name); v != "" {
				seen.Set(name, v)
			}
		}
		d.see(w, r, call{
			from: from, to: to, title: r.Method + " " + r.URL.EscapedPath(),
			lines:  func(body []byte) []string { return append(headerLines(seen), jsonLines(body)...) },
			answer: jsonLines,
		}, next)
	})
}

// jsonLines are the members of an object. What is none is not shown: nobody can
// say what in it is secret.
func jsonLines(body []byte) []string {
	var object map[string]any
	if json.Unmarshal(body, &object) != nil {
		return nil
	}
	return memberLines("", object)
}

// seePhone is see for a call of a phone by which a decision is made; any other
// is only served.
func (d *Demo) seePhone(w http.ResponseWriter, r *http.Request, next http.Handler) {
	step := phoneStep(r)
	if step == "" {
		next.ServeHTTP(w, r)
		return
	}
	d.see(w, r, call{from: tape.Phone, to: tape.Mitome, title: step, lines: decisionLines, answer: standingLines}, next)
}

// phoneStep is the title of a call by which a decision is made, or of the page on
// which a request is read, without the id of the request.
func phoneStep(r *http.Request) string {
	if strings.HasPrefix(r.URL.Path, "/requests/") && r.Method == http.MethodGet {
		return "GET /requests/" + tape.Gone
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/v1/requests/")
	_, what, found := strings.Cut(rest, "/")
	if !ok || !found || r.Method != http.MethodPost || what != "challenge" && what != "decision" {
		return ""
	}
	return "POST /v1/requests/" + tape.Gone + "/" + what
}

// decisionLines are what a phone says; of its passkey only that it signed.
func decisionLines(body []byte) (lines []string) {
	var in struct {
		Verdict   string          `json:"verdict"`
		NotMe     bool            `json:"not_me"`
		Code      string          `json:"user_code"`
		Assertion json.RawMessage `json:"assertion"`
	}
	if json.Unmarshal(body, &in) != nil || in.Verdict == "" {
		return nil
	}
	lines = append(lines, "verdict: "+in.Verdict)
	if in.NotMe {
		lines = append(lines, "not_me: true")
	}
	if in.Code != "" {
		lines = append(lines, "user_code: "+tape.Cut("user_code", in.Code))
	}
	if len(in.Assertion) > 0 {
		lines = append(lines, "assertion: signed with the passkey over what was shown")
	}
	return lines
}

// answerSeen keeps the beginning of what is answered.
type answerSeen struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (a *answerSeen) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answerSeen) Write(p []byte) (int, error) {
	if room := maxSeen - a.body.Len(); room > 0 {
		a.body.Write(p[:min(room, len(p))])
	}
	return a.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController find what is beneath.
func (a *answerSeen) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// standingLines are what the phone needs to hear: how it stands, or why not.
func standingLines(body []byte) (lines []string) {
	if bytes.HasPrefix(body, []byte("<!doctype html>")) {
		return []string{"the page that says who asks, what for and in whose words"}
	}
	var out struct {
		State string `json:"state"`
		View  string `json:"view"`
		Title string `json:"title"`
	}
	if json.Unmarshal(body, &out) != nil {
		return nil
	}
	switch {
	case out.View != "":
		lines = append(lines, "challenge: 32 random bytes and the hash of what is shown")
	case out.State != "":
		lines = append(lines, "state: "+out.State)
	case out.Title != "":
		lines = append(lines, "title: "+out.Title)
	}
	return lines
}
