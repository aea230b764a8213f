package devicetest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
)

// Subscription is an address as a browser brings one, at a target.
func Subscription(target string, since time.Time) push.Address {
	return push.Address{
		ID: push.AddressID(rand.Text()), Channel: push.WebPush, Target: push.Target(target), Locale: "ja, en;q=0.5", Since: since,
		Key: push.DeviceKey{P256DH: []byte("public half " + rand.Text()), Auth: []byte("shared half")},
	}
}

// add stores a as d's and returns its id.
func (s Stores) add(t testing.TB, d device.Device, a push.Address, shared ...device.Device) push.AddressID {
	t.Helper()
	n := device.NewAddress{Device: d.ID, Address: a, Most: 5}
	for _, other := range shared {
		n.Shared = append(n.Shared, other.ID)
	}
	id, err := s.Addresses.AddAddress(t.Context(), n, bys(d))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// has checks the addresses of d beside its socket.
func (s Stores) has(t testing.TB, what string, d device.Device, want ...push.Address) {
	t.Helper()
	got, err := s.Devices.Device(t.Context(), d.ID)
	if err != nil {
		t.Fatal(err)
	}
	var left []push.Address
	for _, a := range got.Addresses {
		if a.Channel != push.WebSocket {
			left = append(left, a)
		}
	}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
	if len(got.Addresses) != len(left)+1 {
		t.Errorf("%s: the socket is lost", what)
	}
}

func addressKept(t *testing.T, s Stores) {
	d := s.NewDevice(t, s.NewUser(t, "corp", "A"), s.Session(t), Start)
	first, bare := Subscription("https://push.example/1", Start), Subscription("https://push.example/2", Start)
	bare.Key, bare.Locale = push.DeviceKey{}, ""
	if id := s.add(t, d, first); id != first.ID {
		t.Errorf("got id %s, want the one it came with", id)
	}
	s.has(t, "one", d, first)
	again := Subscription(string(first.Target), Start.Add(time.Hour))
	again.Locale = "en"
	if id := s.add(t, d, again); id != first.ID {
		t.Errorf("the same target again: got id %s, want %s", id, first.ID)
	}
	again.ID = first.ID
	s.has(t, "refreshed", d, again)
	s.add(t, d, bare)
	elsewhere := Subscription(string(first.Target), Start) // the same text on another channel is another target
	elsewhere.Channel = push.FCM
	s.add(t, d, elsewhere)
	if got, err := s.Devices.Device(t.Context(), d.ID); err != nil || len(got.Addresses) != 4 {
		t.Errorf("got %d addresses, %v, want the socket and three", len(got.Addresses), err)
	}
}

// targetMoves: who holds a phone now is not to get what is meant for who held it
// before; but one browser may stand for several devices.
func targetMoves(t *testing.T, s Stores) {
	a := s.NewDevice(t, s.NewUser(t, "corp", "A"), s.Session(t), Start)
	b := s.NewDevice(t, s.NewUser(t, "corp", "B"), s.Session(t), Start)
	c := s.NewDevice(t, s.NewUser(t, "shop", "C"), s.Session(t), Start)
	const target = "https://push.example/shared"
	ofA, ofB, ofC := Subscription(target, Start), Subscription(target, Start), Subscription(target, Start)
	s.add(t, a, ofA)
	s.add(t, b, ofB)
	s.has(t, "the former holder", a)
	s.has(t, "the holder", b, ofB)
	s.add(t, c, ofC, b, c)
	s.has(t, "a device of the same session", b, ofB)
	s.has(t, "the other", c, ofC)
}

func addressGivesWay(t *testing.T, s Stores) {
	d := s.NewDevice(t, s.NewUser(t, "corp", "A"), s.Session(t), Start)
	other := s.NewDevice(t, s.NewUser(t, "corp", "B"), s.Session(t), Start)
	kept := Subscription("https://push.example/other", Start)
	s.add(t, other, kept)
	var all []push.Address
	for i := range 5 {
		a := Subscription(fmt.Sprint("https://push.example/", i), Start.Add(time.Duration(i)*time.Hour))
		s.add(t, d, a)
		all = append(all, a)
	}
	fresh := Subscription(string(all[0].Target), Start.Add(10*time.Hour)) // the oldest says that it still holds
	s.add(t, d, fresh)
	sixth := Subscription("https://push.example/6", Start) // and the new one stays, whatever the clock says
	s.add(t, d, sixth)
	got, err := s.Devices.Device(t.Context(), d.ID)
	if err != nil || len(got.Addresses) != 6 {
		t.Fatalf("got %d addresses, %v, want the socket and five", len(got.Addresses), err)
	}
	for _, a := range got.Addresses {
		if a.ID == all[1].ID {
			t.Error("the address refreshed longest ago is still there")
		}
	}
	s.has(t, "another device's", other, kept)
}

func addressNeedsDevice(t *testing.T, s Stores) {
	ctx := t.Context()
	d := s.NewDevice(t, s.NewUser(t, "corp", "A"), s.Session(t), Start)
	if err := s.Devices.RevokeDevice(ctx, d.ID, Admin); err != nil {
		t.Fatal(err)
	}
	for _, id := range []device.DeviceID{d.ID, "none", "a\x00b"} {
		n := device.NewAddress{Device: id, Address: Subscription("https://push.example/1", Start), Most: 5}
		if _, err := s.Addresses.AddAddress(ctx, n, Admin); !errors.Is(err, device.ErrDeviceNotFound) && id != "a\x00b" || err == nil {
			t.Errorf("device %q: got %v, want ErrDeviceNotFound", id, err)
		}
	}
	if n, err := s.Addresses.TestAddresses(ctx, d.ID); err != nil || n != 0 {
		t.Errorf("tested %d addresses of a revoked device, %v", n, err)
	}
}

func addressDropped(t *testing.T, s Stores) {
	ctx := t.Context()
	a := s.NewDevice(t, s.NewUser(t, "corp", "A"), s.Session(t), Start)
	b := s.NewDevice(t, s.NewUser(t, "corp", "B"), s.Session(t), Start)
	id := s.add(t, a, Subscription("https://push.example/1", Start))
	if err := s.Addresses.DropAddress(ctx, b.ID, id, bys(b)); !errors.Is(err, device.ErrAddressNotFound) {
		t.Errorf("by a stranger: got %v, want ErrAddressNotFound", err)
	}
	if err := s.Addresses.DropAddress(ctx, a.ID, id, bys(a)); err != nil {
		t.Error(err)
	}
	s.has(t, "dropped", a)
	if err := s.Addresses.DropAddress(ctx, a.ID, id, bys(a)); !errors.Is(err, device.ErrAddressNotFound) {
		t.Errorf("again: got %v, want ErrAddressNotFound", err)
	}
}

// addedAtOnce: of many registrations of one target by one device there is one
// address, whoever comes first.
func addedAtOnce(t *testing.T, s Stores) {
	d := s.NewDevice(t, s.NewUser(t, "corp", "A"), s.Session(t), Start)
	ids := make([]push.AddressID, 8)
	for _, err := range Race(len(ids), func(i int) (err error) {
		n := device.NewAddress{Device: d.ID, Address: Subscription("https://push.example/1", Start), Most: 5}
		ids[i], err = s.Addresses.AddAddress(t.Context(), n, bys(d))
		return err
	}) {
		if err != nil {
			t.Error(err)
		}
	}
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("got ids %v, want one", ids)
			break
		}
	}
}

func addressesTested(t *testing.T, s Stores) {
	u := s.NewUser(t, "corp", "A")
	d, other := s.NewDevice(t, u, s.Session(t), Start), s.NewDevice(t, u, s.Session(t), Start)
	n, err := s.Addresses.TestAddresses(t.Context(), d.ID)
	if err != nil || n != 1 {
		t.Errorf("tested %d, %v, want 1", n, err)
	}
	// What is new is tested by itself, and what is refreshed is not.
	a := Subscription("https://push.example/1", Start)
	id := s.add(t, d, a)
	s.add(t, d, a)
	if n, err = s.Addresses.TestAddresses(t.Context(), d.ID); err != nil || n != 2 {
		t.Errorf("tested %d, %v, want 2", n, err)
	}
	socket := d.Addresses[0].ID
	if diff := cmp.Diff([]push.AddressID{socket, id, socket, id}, s.Tested(t, d.ID)); diff != "" {
		t.Errorf("tested (-want +got): %s", diff)
	}
	if got := s.Tested(t, other.ID); len(got) != 0 {
		t.Errorf("the other device is tested at %v", got)
	}
}

// testsAreBounded: addresses come and go as a client says, and each test is a
// call to a push service.
func testsAreBounded(t *testing.T, s Stores) {
	u := s.NewUser(t, "corp", "A")
	d, other := s.NewDevice(t, u, s.Session(t), Start), s.NewDevice(t, u, s.Session(t), Start)
	for i := range 20 {
		s.add(t, d, Subscription(fmt.Sprint("https://push.example/", i), Start))
	}
	if n := len(s.Tested(t, d.ID)); n != 5 {
		t.Errorf("%d tests by themselves at once, want 5", n)
	}
	s.add(t, other, Subscription("https://push.example/other", Start))
	if n := len(s.Tested(t, other.ID)); n != 1 {
		t.Errorf("%d tests of another device, want 1", n)
	}
}

func addressDoubted(t *testing.T, s Stores) {
	ctx := t.Context()
	d := s.NewDevice(t, s.NewUser(t, "corp", "A"), s.Session(t), Start)
	a, other := Subscription("https://push.example/1", Start), Subscription("https://push.example/2", Start)
	s.add(t, d, a)
	s.add(t, d, other)
	doubt := func(doubtful bool) time.Time {
		t.Helper()
		if err := s.Addresses.DoubtAddress(ctx, a.ID, doubtful); err != nil {
			t.Fatal(err)
		}
		got, err := s.Devices.Device(ctx, d.ID)
		if err != nil || len(got.Addresses) != 3 || !got.Addresses[0].Doubtful.IsZero() || !got.Addresses[2].Doubtful.IsZero() {
			t.Fatalf("of the others one is doubtful: %+v, %v", got.Addresses, err)
		}
		return got.Addresses[1].Doubtful
	}
	if at := doubt(false); !at.IsZero() {
		t.Errorf("doubtful since %v without a doubt", at)
	}
	since := doubt(true)
	if again := doubt(true); since.IsZero() || !again.Equal(since) {
		t.Errorf("doubtful since %v, and again since %v", since, again)
	}
	if at := doubt(false); !at.IsZero() {
		t.Errorf("trusted, and doubtful since %v", at)
	}
	doubt(true)
	s.add(t, d, a) // it says anew that it holds
	s.has(t, "refreshed", d, a, other)
	if err := s.Addresses.DoubtAddress(ctx, "none", true); err != nil {
		t.Errorf("an address that is not there: %v", err)
	}
}
