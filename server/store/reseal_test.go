package store_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/approvaltest"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

func TestReseal(t *testing.T) {
	for name, url := range urls {
		t.Run(name, func(t *testing.T) {
			ctx, ring := t.Context(), seal.New()
			db := storetest.Open(t, url(t), ring)
			s := all(db)
			u := s.People.NewUser(t, "corp", "A")
			d := s.People.NewDevice(t, u, s.People.Session(t), approvaltest.Start)
			sub := devicetest.Subscription("https://push.example/1", approvaltest.Start)
			if _, err := db.AddAddress(ctx, device.NewAddress{Device: d.ID, Address: sub, Most: 5}, devicetest.Admin); err != nil {
				t.Fatal(err)
			}
			d.Addresses = append(d.Addresses, sub)
			const requests = 450 // more than two batches
			var last approval.Request
			for range requests {
				last = approvaltest.Request(u.ID)
				last.Code = approval.Code{}
				if _, err := db.CreateRequest(ctx, last, nil, device.Mitome); err != nil {
					t.Fatal(err)
				}
			}
			enrollment := d.Enrollment
			if err := db.SaveCeremony(ctx, enrollment, []byte("data")); err != nil {
				t.Fatal(err)
			}
			old := currentKey(ring)
			want := requests + len(d.Addresses) + 2 // one of them with a key, and the ceremony
			if n, err := db.SealedWith(ctx); err != nil || len(n) != 1 || n[old] != want {
				t.Errorf("sealed with %v, %v, want %d under %s", n, err, want, old)
			}
			ring.Rotate()
			if n, err := db.Reseal(ctx); err != nil || n != want {
				t.Errorf("resealed %d, %v, want %d", n, err, want)
			}
			if n, err := db.Reseal(ctx); err != nil || n != 0 {
				t.Errorf("resealed %d again, %v", n, err)
			}
			if n, err := db.SealedWith(ctx); err != nil || len(n) != 1 || n[currentKey(ring)] != want {
				t.Errorf("sealed with %v, %v, want %d under the new key", n, err, want)
			}
			if err := ring.Drop(old); err != nil {
				t.Fatal(err)
			}
			if r, err := db.Request(ctx, last.ID); err != nil || r.Handle != last.Handle {
				t.Errorf("a handle is lost: %v", err)
			}
			if got, err := db.Device(ctx, d.ID); err != nil || !reflect.DeepEqual(got.Addresses, d.Addresses) {
				t.Errorf("an address is lost: %v", err)
			}
			if b, err := db.TakeCeremony(ctx, enrollment); err != nil || string(b) != "data" {
				t.Errorf("a ceremony is lost: %v", err)
			}
		})
	}
}

// TestDroppedKey: without its key a value is refused, never shown as empty.
func TestDroppedKey(t *testing.T) {
	ring := seal.New()
	db := storetest.Open(t, sqliteURL(t), ring)
	id := enqueue(t, db)
	old := currentKey(ring)
	ring.Rotate()
	if err := ring.Drop(old); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Request(t.Context(), id); !errors.Is(err, seal.ErrKeyUnknown) {
		t.Errorf("got %v, want ErrKeyUnknown", err)
	}
	if _, err := db.Reseal(t.Context()); !errors.Is(err, seal.ErrKeyUnknown) {
		t.Errorf("reseal: got %v, want ErrKeyUnknown", err)
	}
}

// TestSealedWithCountsCodes: a code key is needed for as long as somebody may
// still type the code.
func TestSealedWithCountsCodes(t *testing.T) {
	ctx, db := t.Context(), storetest.SQLite(t)
	s := all(db)
	u := s.People.NewUser(t, "corp", "A")
	r := approvaltest.Request(u.ID) // its code is under "k1"
	if _, err := db.CreateRequest(ctx, r, nil, device.Mitome); err != nil {
		t.Fatal(err)
	}
	if n, err := db.SealedWith(ctx); err != nil || n["k1"] != 1 {
		t.Errorf("got %v, %v, want the code's key counted", n, err)
	}
	r.State = approval.Expired
	if err := db.UpdateRequest(ctx, approval.Change{Next: r}); err != nil {
		t.Fatal(err)
	}
	if n, err := db.SealedWith(ctx); err != nil || len(n) != 0 {
		t.Errorf("got %v, %v, want nothing needed", n, err)
	}
}

func currentKey(ring *seal.Ring) string {
	for _, k := range ring.Keys() {
		if k.Purpose == "seal" && k.Current {
			return k.ID
		}
	}
	return ""
}
