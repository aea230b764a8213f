// Package placestest writes small files of places for tests, in MaxMind's format.
package placestest

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// Networks that stand in the files of [City]. They are those of documentation, so
// that no test calls anybody.
const (
	Osaka  = "203.0.113.0/25"    // Osaka, JP
	Tokyo  = "198.51.100.0/25"   // Tokyo, JP
	Tokyo6 = "2001:db8:81::/48"  // Tokyo, JP
	Paris  = "192.0.2.0/25"      // Paris, FR
	Japan  = "198.51.100.128/25" // JP, no city
)

// City is a file in the layout of GeoLite2 City.
func City(t testing.TB) []byte {
	t.Helper()
	return Write(t, "GeoLite2-City", map[string]mmdbtype.Map{
		Osaka: inCity(1853909, "Osaka", "大阪市", "JP"), Tokyo: inCity(1850147, "Tokyo", "東京", "JP"),
		Tokyo6: inCity(1850147, "Tokyo", "東京", "JP"), Paris: inCity(2988507, "Paris", "パリ", "FR"),
		Japan: {"country": countries["JP"]},
	})
}

// countries have names in two languages, as the files do.
var countries = map[string]mmdbtype.Map{
	"JP": {"iso_code": mmdbtype.String("JP"), "names": Names("Japan", "日本")},
	"FR": {"iso_code": mmdbtype.String("FR"), "names": Names("France", "フランス")},
}

// Names are the names of a thing in English and Japanese.
func Names(en, ja string) mmdbtype.Map {
	return mmdbtype.Map{"en": mmdbtype.String(en), "ja": mmdbtype.String(ja)}
}

func inCity(id uint32, en, ja, country string) mmdbtype.Map {
	return mmdbtype.Map{
		"city":    mmdbtype.Map{"geoname_id": mmdbtype.Uint32(id), "names": Names(en, ja)},
		"country": countries[country],
	}
}

// Write is a file of the given type that says what records hold of each network.
func Write(t testing.TB, kind string, records map[string]mmdbtype.Map) []byte {
	t.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: kind, RecordSize: 24, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for network, record := range records {
		_, n, err := net.ParseCIDR(network)
		if err == nil {
			err = w.Insert(n, record)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if _, err := w.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Put writes raw into a file of a folder of t's own, and returns its path.
func Put(t testing.TB, raw []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "places.mmdb")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
