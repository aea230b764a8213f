package userapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/server/userapi"
)

// FuzzAnswer: what a passkey is said to have signed is handed on to the byte, and
// is an object or nothing.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		`{"verdict":"approve","assertion":{"id":"x"}}`, `{"verdict":"deny","not_me":true,"assertion": {"a":{}} }`, `{"assertion":null}`, `{"assertion":[]}`,
		`{"assertion":"{}"}`, `{"assertion":{"a":1},"Assertion":{"a":2}}`, `{"assertion":{"a":1},"assertion":null}`, `{"assertion":{`, `null`, "\xff",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := userapi.AssertionOf(body)
		if err != nil || got == nil {
			return
		}
		if got[0] != '{' || !json.Valid(got) || !bytes.Contains(body, got) {
			t.Fatalf("%q hands on %q", body, got)
		}
	})
}

// FuzzQuietHours: hours that are taken are a time of the day in a zone of the
// zone database, are written as they were read, and can be asked at any time.
func FuzzQuietHours(f *testing.F) {
	for _, s := range [][3]string{
		{"Asia/Tokyo", "22:00", "06:00"}, {"Europe/Berlin", "0:00", "23:59"}, {"", "", ""}, {"Local", "22:00", "06:00"}, {"UTC", "24:00", "00:60"},
		{"../../etc/passwd", "1:2", "-1:00"}, {"/etc/localtime", "22:00", "06:00"}, {"Asia//Tokyo", "22:00\n", "06:00"}, {"zone.tab", "22:00", "06:00"}, {"a\x00b", "٢٢:٠٠", "06:00"},
	} {
		f.Add(s[0], s[1], s[2], int64(1_790_000_000))
	}
	f.Fuzz(func(t *testing.T, zone, from, to string, at int64) {
		var minutes [2]int
		for i, s := range []string{from, to} {
			m, err := userapi.MinuteOf(s)
			if err != nil {
				if !errors.Is(err, approval.ErrHours) {
					t.Fatalf("%q is refused as %v", s, err)
				}
				return
			}
			if again, err := userapi.MinuteOf(approval.ClockOf(m)); err != nil || again != m {
				t.Fatalf("%q is minute %d, then %d, %v", s, m, again, err)
			}
			minutes[i] = m
		}
		h := approval.Hours{Zone: zone, From: minutes[0], To: minutes[1]}
		if err := h.Check(); err != nil {
			if !errors.Is(err, approval.ErrHours) {
				t.Fatalf("%+v is refused as %v", h, err)
			}
			return
		}
		// A name is looked for among files.
		if h != (approval.Hours{}) && (strings.Contains(zone, "..") || strings.HasPrefix(zone, "/") || strings.ContainsAny(zone, "\\\x00")) {
			t.Fatalf("the zone %q is taken", zone)
		}
		h.Hold(time.Unix(at, 0))
	})
}
