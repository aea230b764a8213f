package places

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/server/places/placestest"
)

var quiet = slog.New(slog.DiscardHandler)

func at(t *testing.T, f *File, addr string) approval.Place {
	t.Helper()
	return f.Place(netip.MustParseAddr(addr))
}

// TestLayouts: files of cities, countries and networks, of MaxMind and of those
// who give no ids, are read alike.
func TestLayouts(t *testing.T) {
	japan := map[string]string{"en": "Japan", "ja": "日本"}
	country := mmdbtype.Map{"iso_code": mmdbtype.String("JP"), "names": placestest.Names("Japan", "日本")}
	springfield := func(state string) mmdbtype.Map {
		return mmdbtype.Map{
			"city": mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String("Springfield")}}, "country": mmdbtype.Map{"iso_code": mmdbtype.String("US")},
			"subdivisions": mmdbtype.Slice{mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String(state)}}},
		}
	}
	tests := []struct {
		name, kind string
		record     mmdbtype.Map
		want       approval.Place
	}{
		{"city", "GeoLite2-City", mmdbtype.Map{
			"city": mmdbtype.Map{"geoname_id": mmdbtype.Uint32(7), "names": placestest.Names("Osaka", "大阪市")}, "country": country,
		}, approval.Place{Country: "JP", Countries: japan, City: "7", Cities: map[string]string{"en": "Osaka", "ja": "大阪市"}}},
		{"country", "GeoLite2-Country", mmdbtype.Map{"country": country}, approval.Place{Country: "JP", Countries: japan}},
		{"network", "GeoLite2-ASN", mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(64500)}, approval.Place{Network: 64500}},
		{"enterprise", "GeoIP2-Enterprise", mmdbtype.Map{
			"country": country, "traits": mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(64500)},
		}, approval.Place{Country: "JP", Countries: japan, Network: 64500}},
		{"city without an id", "DBIP-City-Lite", springfield("Ohio"),
			approval.Place{Country: "US", City: "US/Ohio/Springfield", Cities: map[string]string{"en": "Springfield"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			raw := placestest.Write(t, tt.kind, map[string]mmdbtype.Map{"203.0.113.0/24": tt.record, "2001:db8::/32": tt.record})
			f, err := Open(placestest.Put(t, raw), quiet)
			if err != nil {
				t.Fatal(err)
			}
			for _, addr := range []string{"203.0.113.7", "::ffff:203.0.113.7", "2001:db8::7"} {
				if d := cmp.Diff(tt.want, at(t, f, addr)); d != "" {
					t.Errorf("%s: %s", addr, d)
				}
			}
			for _, addr := range []string{"198.51.100.1", "2001:db9::1"} {
				if d := cmp.Diff(approval.Place{}, at(t, f, addr)); d != "" {
					t.Errorf("%s, which is not in the file: %s", addr, d)
				}
			}
		})
	}
}

// TestOneCityNotAllOfItsName: without ids a name alone is not enough.
func TestOneCityNotAllOfItsName(t *testing.T) {
	in := func(state string) record {
		var r record
		r.City.Names = map[string]string{"en": "Springfield"}
		r.Country.ISO = "US"
		r.Subdivisions = append(r.Subdivisions, struct {
			ISO string `maxminddb:"iso_code"`
			names
		}{ISO: state})
		return r
	}
	if in("OH").city() == in("IL").city() {
		t.Error("two cities of one name are taken for one")
	}
}

// TestBrokenFileAtStart: Mitome does not start with a file that it cannot use.
func TestBrokenFileAtStart(t *testing.T) {
	good := placestest.City(t)
	tests := []struct {
		name string
		path string
		want error
	}{
		{"missing", filepath.Join(t.TempDir(), "none.mmdb"), fs.ErrNotExist},
		{"empty", placestest.Put(t, nil), nil},
		{"something else", placestest.Put(t, []byte("<html>not found</html>")), nil},
		{"cut off", placestest.Put(t, good[:len(good)/2]), nil},
		{"of another matter", placestest.Put(t, placestest.Write(t, "GeoIP2-Anonymous-IP",
			map[string]mmdbtype.Map{"203.0.113.0/24": {"is_anonymous": mmdbtype.Bool(true)}})), ErrNoPlaces},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Open(tt.path, quiet)
			if f != nil || err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, %v; want %v", f, err, tt.want)
			}
		})
	}
}

// TestReadAgain: a new file is taken over without a restart; a broken or missing
// one leaves the old one in place, and is complained of once.
func TestReadAgain(t *testing.T) {
	var out bytes.Buffer
	path := placestest.Put(t, placestest.City(t))
	f, err := Open(path, slog.New(slog.NewTextHandler(&out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	osaka := at(t, f, "203.0.113.7").City
	put := func(raw []byte) {
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	holds := func(what string, city string, complaints int) {
		t.Helper()
		for range 3 {
			f.look()
		}
		if got := at(t, f, "203.0.113.7").City; got != city {
			t.Errorf("%s: got %q, want %q", what, got, city)
		}
		if got := strings.Count(out.String(), "cannot be used"); got != complaints {
			t.Errorf("%s: got %d complaints, want %d:\n%s", what, got, complaints, &out)
		}
	}
	holds("as it was", osaka, 0)
	put([]byte("half a download"))
	holds("broken", osaka, 1)
	put([]byte("another half of it, which is longer"))
	holds("broken otherwise", osaka, 2)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	holds("gone", osaka, 3)
	put(placestest.Write(t, "GeoLite2-City", map[string]mmdbtype.Map{"203.0.113.0/24": {
		"city": mmdbtype.Map{"geoname_id": mmdbtype.Uint32(9)}, "country": mmdbtype.Map{"iso_code": mmdbtype.String("DE")},
	}}))
	holds("a new one", "9", 3)
}
