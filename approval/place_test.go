package approval_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/approval/show"
	"github.com/mitome-ciba/mitome/server/places"
	"github.com/mitome-ciba/mitome/server/places/placestest"
)

// Addresses in the networks of placestest.City.
const (
	inOsaka  = "203.0.113.7"
	inTokyo  = "198.51.100.7"
	inTokyo6 = "2001:db8:81::7"
	inParis  = "192.0.2.7"
	inJapan  = "198.51.100.130"
	nowhere  = "203.0.113.200" // not in the file
)

// located has the service know the places of a file.
func (w *world) located(t *testing.T, file []byte) {
	t.Helper()
	f, err := places.Open(placestest.Put(t, file), slog.New(slog.DiscardHandler))
	fatal(t, err)
	w.Places = f
}

// from is an ask of aiko by a device at addr.
func (w *world) from(addr string) approval.Ask {
	a := w.asks("aiko")
	a.Context = map[string]json.RawMessage{"request_context": json.RawMessage(fmt.Sprintf(`{"ip":%q,"device":"Kiosk"}`, addr))}
	return a
}

// near is a phone's session that calls from addr; empty: from a Unix socket.
func near(p phone, addr string) approval.Who {
	w := who(p)
	if addr != "" {
		w.Actor.IP = netip.MustParseAddr(addr)
	}
	return w
}

// seen is the view of a request.
func (w *world) seen(t *testing.T, id approval.RequestID, by approval.Who, locale string) (show.View, string) {
	t.Helper()
	shown, err := w.Show(t.Context(), id, by, locale)
	fatal(t, err)
	var v show.View
	fatal(t, json.Unmarshal(shown.View, &v))
	return v, string(shown.View)
}

// TestRelation: every way in which two places can stand to each other. What is not
// known is never far.
func TestRelation(t *testing.T) {
	networks := func(a, b uint32, in, other string) []byte {
		rec := func(n uint32, country string) mmdbtype.Map {
			m := mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(n)}
			if country != "" {
				m["country"] = mmdbtype.Map{"iso_code": mmdbtype.String(country)}
			}
			return m
		}
		return placestest.Write(t, "GeoLite2-ASN", map[string]mmdbtype.Map{placestest.Osaka: rec(a, in), placestest.Tokyo: rec(b, other)})
	}
	enterprise := func(city uint32) mmdbtype.Map { // of one network, as wide as its country
		return mmdbtype.Map{
			"city": mmdbtype.Map{"geoname_id": mmdbtype.Uint32(city)}, "country": mmdbtype.Map{"iso_code": mmdbtype.String("JP")},
			"traits": mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(64500)},
		}
	}
	wide := placestest.Write(t, "GeoIP2-Enterprise", map[string]mmdbtype.Map{placestest.Osaka: enterprise(1), placestest.Tokyo: enterprise(2)})
	city := placestest.City(t)
	tests := []struct {
		name        string
		file        []byte
		asks, phone string
		want        approval.Relation
	}{
		{"one address", city, inOsaka, inOsaka, approval.SameNetwork},
		{"one /24", city, inOsaka, nowhere, approval.SameNetwork},
		{"one /48", city, inTokyo6, "2001:db8:81:ffff::1", approval.SameNetwork},
		{"the next /48", city, inTokyo6, "2001:db8:82::7", approval.Unknown},
		{"IPv4 in IPv6, of the client", city, "::ffff:" + inOsaka, inOsaka, approval.SameNetwork},
		{"IPv4 in IPv6, of the phone", city, inOsaka, "::ffff:" + inOsaka, approval.SameNetwork},
		{"IPv4 and IPv6", city, inTokyo, inTokyo6, approval.SameCity},
		{"two cities", city, inOsaka, inTokyo, approval.SameCountry},
		{"a city and its country", city, inOsaka, inJapan, approval.SameCountry},
		{"two countries", city, inParis, inTokyo, approval.Elsewhere},
		{"the other way round", city, inTokyo, inParis, approval.Elsewhere},
		{"two countries, in the clothes of IPv6", city, "::ffff:" + inParis, inTokyo, approval.Elsewhere},
		{"the client is not in the file", city, "192.0.2.200", inTokyo, approval.Unknown},
		{"the phone is not in the file", city, inParis, nowhere, approval.Unknown},
		{"neither is", city, "192.0.2.200", nowhere, approval.Unknown},
		{"the client is in a private network", city, "10.1.2.3", inTokyo, approval.Unknown},
		{"the phone is in a private network", city, inParis, "192.168.1.2", approval.Unknown},
		{"both are", city, "10.1.2.3", "10.1.2.3", approval.Unknown},
		{"of carriers", city, "100.64.1.2", "100.64.1.3", approval.Unknown},
		{"of one link", city, "fe80::1", "fe80::1", approval.Unknown},
		{"of one house", city, "fd00::1", "fd00::1", approval.Unknown},
		{"loopback", city, "127.0.0.1", "127.0.0.1", approval.Unknown},
		{"the phone has no address", city, inParis, "", approval.Unknown},
		{"one autonomous system", networks(64500, 64500, "", ""), inOsaka, inTokyo, approval.SameNetwork},
		{"two of them", networks(64500, 64501, "", ""), inOsaka, inTokyo, approval.Unknown},
		{"one in one country", networks(64500, 64500, "JP", "JP"), inOsaka, inTokyo, approval.SameNetwork},
		{"one in two countries", networks(64500, 64500, "JP", "FR"), inOsaka, inTokyo, approval.Elsewhere},
		{"one in two cities", wide, inOsaka, inTokyo, approval.SameCountry},
		{"two in one country", networks(64500, 64501, "JP", "JP"), inOsaka, inTokyo, approval.SameCountry},
	}
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w.located(t, tt.file)
			r := w.accept(t, w.from(tt.asks))
			v, raw := w.seen(t, r.ID, near(p, tt.phone), "en")
			if v.Place == nil || v.Place.Relation != tt.want {
				t.Fatalf("got %+v, want %s", v.Place, tt.want)
			}
			if far := v.Place.Warning != ""; far != (tt.want == approval.Elsewhere) {
				t.Errorf("got a warning %v of %s", far, tt.want)
			}
			if v.Refused != "" || v.Words.Approve == "" {
				t.Errorf("refused by default: %s", v.Refused)
			}
			for _, addr := range []string{tt.asks, tt.phone} {
				if addr != "" && strings.Contains(raw, addr) {
					t.Errorf("the view holds %s: %s", addr, raw)
				}
			}
		})
	}
}

// TestPlaceInWords: both places, in the viewer's language, and as little as they
// must say.
func TestPlaceInWords(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	w.located(t, placestest.City(t))
	p := w.pair(t, w.user(t, "aiko"))
	for _, tt := range []struct{ asks, phone, locale, want string }{
		{inOsaka, inTokyo, "en", "The device that asks is in Osaka, Japan; you are in Tokyo, Japan."},
		{inOsaka, inTokyo, "ja", "依頼元の端末は大阪市(日本)にあり、あなたは東京(日本)にいます。"},
		{inParis, inTokyo, "en", "The device that asks is in Paris, France; you are in Tokyo, Japan."},
		{inParis, inTokyo, "ja", "依頼元の端末はパリ(フランス)にあり、あなたは東京(日本)にいます。"},
		{inTokyo, inTokyo6, "en", "The device that asks and this one are both in Tokyo, Japan."},
		{inTokyo, inTokyo6, "ja", "依頼元の端末もこの端末も、東京(日本)にあります。"},
		{inOsaka, inOsaka, "en", "The device that asks is in the same network as this one."},
		{inOsaka, inOsaka, "ja", "依頼元の端末は、この端末と同じネットワークにあります。"},
		{inParis, "10.0.0.1", "en", "The device that asks is in Paris, France."},
		{inParis, "10.0.0.1", "ja", "依頼元の端末はパリ(フランス)にあります。"},
		{"10.0.0.1", inTokyo, "en", "It is not known where the device that asks is."},
		{"10.0.0.1", inTokyo, "ja", "依頼元の端末の場所は分かりません。"},
	} {
		r := w.accept(t, w.from(tt.asks))
		v, _ := w.seen(t, r.ID, near(p, tt.phone), tt.locale)
		if v.Place == nil || v.Place.Text != tt.want {
			t.Errorf("%s, %s: got %+v, want %s", tt.asks, tt.phone, v.Place, tt.want)
		}
	}
	r := w.accept(t, w.asks("aiko"))
	if v, _ := w.seen(t, r.ID, near(p, inTokyo), "en"); v.Place != nil {
		t.Errorf("nobody said an address: got %+v", v.Place)
	}
}

// TestNoPlacesWithoutFile: nothing is said, and what came with the request is
// shown as it came.
func TestNoPlacesWithoutFile(t *testing.T) {
	w := newWorld(t, policy.Rules{Far: approval.FarRefuse})
	p := w.pair(t, w.user(t, "aiko"))
	r := w.accept(t, w.from(inParis))
	v, raw := w.seen(t, r.ID, near(p, inTokyo), "en")
	if v.Place != nil || v.Refused != "" || !strings.Contains(raw, inParis) {
		t.Errorf("got %s", raw)
	}
}

// TestFar: what each rule lets become of a request from another country, from the
// look at it to the answer. Denying always works.
func TestFar(t *testing.T) {
	tests := []struct {
		name        string
		far         approval.Far
		asks, phone string
		code        string
		approvable  bool
		warned      bool
	}{
		{"by default", "", inParis, inTokyo, "", true, true},
		{"warn", approval.FarWarn, inParis, inTokyo, "", true, true},
		{"code, and none", approval.FarCode, inParis, inTokyo, "", false, false},
		{"code", approval.FarCode, inParis, inTokyo, "483920", true, true},
		{"refuse", approval.FarRefuse, inParis, inTokyo, "", false, false},
		{"refuse in spite of a code", approval.FarRefuse, inParis, inTokyo, "483920", false, false},
		{"code, one country", approval.FarCode, inOsaka, inTokyo, "", true, false},
		{"refuse, one country", approval.FarRefuse, inOsaka, inTokyo, "", true, false},
		{"refuse, not known", approval.FarRefuse, inParis, nowhere, "", true, false},
		{"refuse, private", approval.FarRefuse, inParis, "10.0.0.1", "", true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, policy.Rules{Far: tt.far})
			w.located(t, placestest.City(t))
			p := w.pair(t, w.user(t, "aiko"))
			a := w.from(tt.asks)
			a.UserCode = tt.code
			r, by := w.accept(t, a), near(p, tt.phone)
			v, _ := w.seen(t, r.ID, by, "en")
			if approvable := v.Refused == "" && v.Words.Approve != ""; approvable != tt.approvable || (v.Place.Warning != "") != tt.warned {
				t.Errorf("the view says %q, %+v", v.Refused, v.Place)
			}
			c, err := w.Challenge(t.Context(), r.ID, by, "en")
			if !tt.approvable {
				is(t, "challenge", err, approval.ErrFar)
				denied, err := w.Decide(t.Context(), approval.Answer{Request: r.ID, Who: by, Verdict: approval.Deny})
				if err != nil || denied.State != approval.Denied {
					t.Errorf("a no: got %s, %v", denied.State, err)
				}
				return
			}
			fatal(t, err)
			_, err = w.Decide(t.Context(), approval.Answer{
				Request: r.ID, Who: by, Verdict: approval.Approve, UserCode: tt.code, Assertion: p.key.Get(t, c.Options),
			})
			fatal(t, err)
			if st := w.statement(t, r.ID); !strings.Contains(st.View, v.Place.Text) || strings.Contains(st.View, tt.asks) {
				t.Errorf("evidence of %s", st.View)
			}
		})
	}
}

// TestFarWhenDeciding: a yes that was begun nearby is not taken from far away, and
// costs no try of the code; the challenge of another place is none either.
func TestFarWhenDeciding(t *testing.T) {
	w := newWorld(t, policy.Rules{Far: approval.FarRefuse})
	w.located(t, placestest.City(t))
	p := w.pair(t, w.user(t, "aiko"))
	a := w.from(inParis)
	a.UserCode = "483920"
	r := w.accept(t, a)
	c, err := w.Challenge(t.Context(), r.ID, near(p, inParis), "en")
	fatal(t, err)
	yes := approval.Answer{Request: r.ID, Who: near(p, inTokyo), Verdict: approval.Approve, UserCode: "000000", Assertion: p.key.Get(t, c.Options)}
	_, err = w.Decide(t.Context(), yes)
	is(t, "a yes from elsewhere", err, approval.ErrFar)
	stored, err := w.db.Request(t.Context(), r.ID)
	fatal(t, err)
	if stored.State != approval.Pending || stored.Code.Tries != 0 {
		t.Errorf("got %s with %d tries charged, want it as it was", stored.State, stored.Code.Tries)
	}
	yes.Who, yes.UserCode = near(p, inParis), "483920"
	_, err = w.Decide(t.Context(), yes)
	fatal(t, err)
}

// TestPlaceIsStable: the view is the same to the byte while both stay where they
// are, whichever of their addresses they use, so that what was shown is what is
// signed; and another one when the phone has moved.
func TestPlaceIsStable(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	w.located(t, placestest.City(t))
	p := w.pair(t, w.user(t, "aiko"))
	r := w.accept(t, w.from(inOsaka))
	_, first := w.seen(t, r.ID, near(p, inTokyo), "en")
	for _, addr := range []string{inTokyo, "198.51.100.8", inTokyo6} {
		c, err := w.Challenge(t.Context(), r.ID, near(p, addr), "en")
		fatal(t, err)
		if string(c.View) != first {
			t.Errorf("from %s: got %s, want %s", addr, c.View, first)
		}
	}
	c, err := w.Challenge(t.Context(), r.ID, near(p, inParis), "en")
	fatal(t, err)
	if string(c.View) == first {
		t.Error("the phone has moved to another country, and the view says the same")
	}
}

// TestEvidenceSaysWhere: what holds the place of a user is known by it, so that no
// OP is given it.
func TestEvidenceSaysWhere(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	signed := func(yes bool) approval.Evidence {
		r := w.accept(t, w.from(inOsaka))
		a := no(r.ID, p)
		if yes {
			c, err := w.Challenge(t.Context(), r.ID, near(p, inTokyo), "en")
			fatal(t, err)
			a = approval.Answer{Request: r.ID, Who: near(p, inTokyo), Verdict: approval.Approve, Assertion: p.key.Get(t, c.Options)}
		}
		_, err := w.Decide(t.Context(), a)
		fatal(t, err)
		e, err := w.db.Evidence(t.Context(), r.ID)
		fatal(t, err)
		return e
	}
	without := signed(true)
	w.located(t, placestest.City(t))
	for name, tt := range map[string]struct {
		e    approval.Evidence
		want bool
	}{
		"none": {approval.Evidence{}, false}, "without a file": {without, false}, "a no": {signed(false), false},
		"a yes": {signed(true), true}, "not to be read": {approval.Evidence{JWS: "a.b"}, true}, "no JSON": {approval.Evidence{JWS: "a.b.c"}, true},
	} {
		if got := tt.e.SaysWhere(); got != tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

// TestAskedFrom: where the address stands in what OPs pass on.
func TestAskedFrom(t *testing.T) {
	tests := []struct{ name, context, want string }{
		{"an object", `{"ip":"203.0.113.7"}`, inOsaka},
		{"by its other name", `{"ip_address":"203.0.113.7"}`, inOsaka},
		{"a text, as Keycloak passes it on", `"{\"ip\":\"203.0.113.7\"}"`, inOsaka},
		{"IPv4 in IPv6", `{"ip":"::ffff:203.0.113.7"}`, inOsaka},
		{"blanks", `{"ip":" 203.0.113.7 "}`, inOsaka},
		{"said twice", `{"ip":"203.0.113.7","ip_address":"203.0.113.7"}`, inOsaka},
		{"two of one name", `{"ip":"203.0.113.7","ip":"192.0.2.7"}`, ""},
		{"two of two names", `{"ip":"203.0.113.7","ip_address":"192.0.2.7"}`, ""},
		{"one and none", `{"ip":"203.0.113.7","ip":"x"}`, ""},
		{"a number", `{"ip":3405803783}`, ""},
		{"deeper", `{"device":{"ip":"203.0.113.7"}}`, ""},
		{"a port", `{"ip":"203.0.113.7:443"}`, ""},
		{"a name", `{"ip":"mitome.example"}`, ""},
		{"a list", `["203.0.113.7"]`, ""},
		{"no JSON", `{"ip":"203.0.113.7"`, ""},
		{"more behind it", `{"ip":"203.0.113.7"} {}`, ""},
		{"nothing", ``, ""}, {"null", `null`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, ok := approval.AskedFrom(map[string]json.RawMessage{"request_context": json.RawMessage(tt.context)})
			if ok != (tt.want != "") || ok && a.String() != tt.want {
				t.Errorf("got %s, %v; want %q", a, ok, tt.want)
			}
		})
	}
}

// FuzzAskedFrom: whatever a client writes into request_context, the address that a
// place is said of is not shown beside it under the name of an address, and the
// view does not break.
func FuzzAskedFrom(f *testing.F) {
	for _, s := range []string{
		`{"ip":"203.0.113.7"}`, `"{\"ip\":\"203.0.113.7\"}"`, `" {\"ip\":\"203.0.113.7\"}"`, `{"ip":"::ffff:203.0.113.7","ip_address":"203.0.113.7"}`,
		`{"ip":"fe80::1%eth0"}`, `{"ip":["203.0.113.7"]}`, `{"ip":{"ip":"203.0.113.7"}}`, `{"ip":"203.0.113.7","a":[[[[[[[[1]]]]]]]]}`, `[{"ip":"192.0.2.1"}]`,
	} {
		f.Add(s)
	}
	words, err := show.Load()
	if err != nil {
		f.Fatal(err)
	}
	shower := &show.Shower{Catalogue: words}
	f.Fuzz(func(t *testing.T, raw string) {
		r := approval.Request{Context: map[string]json.RawMessage{"request_context": json.RawMessage(raw)}}
		addr, ok := approval.AskedFrom(r.Context)
		if !ok {
			return
		}
		v, err := shower.Render(r, show.Viewer{Where: &approval.Where{Address: addr, Relation: approval.Unknown}})
		fatal(t, err)
		for _, d := range v.Details {
			a, isAddr := approval.ParseAddress(d.Value)
			if named := d.Name == "request_context.ip" || d.Name == "request_context.ip_address"; named && isAddr && a == addr {
				t.Fatalf("%s is shown: %+v", addr, d)
			}
		}
	})
}
