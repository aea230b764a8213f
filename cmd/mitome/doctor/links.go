package doctor

import (
	"context"
	"mime"
	"net/http"
)

// CheckLinks asks for the link files at each URL where phones and browsers look
// for them. What is missing there costs no request: links open the browser, and
// an app has no passkeys.
func CheckLinks(ctx context.Context, r *Report, c Caller, urls []string) {
	const check = "link files"
	found := 0
	for _, u := range urls {
		a, err := c.do(ctx, call{url: u})
		if err != nil {
			r.Warn(check, "Phones cannot reach %s: %s.", u, Why(err, u))
			continue
		}
		kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
		switch {
		case a.status != http.StatusOK:
			r.Warn(check, "Phones look for %s, which answers %s; have the server of that name pass it on to Mitome, without a redirect and a login.", u, a.said())
		case kind != "application/json":
			r.Warn(check, "Phones look for %s, which is no JSON; have the server of that name pass it on to Mitome.", u)
		default:
			found++
		}
	}
	if found > 0 && found == len(urls) {
		r.OK(check, "Phones find the files that name your apps.")
	}
}
