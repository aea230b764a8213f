// Package places says where addresses are, from a file in MaxMind's format that
// the operator provides.
//
// # Why
//
// The file is the operator's because whoever asks a service in the net tells it
// who uses Mitome from where. It is read into memory and not mapped: a mapped
// file that somebody overwrites in place ends the process.
package places

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/mitome-ciba/mitome/approval"
)

const (
	lookEvery = 10 * time.Second // how soon a changed file is noticed
	sample    = 1000             // records among which one must say something
)

// ErrNoPlaces: the file can be read and says nothing that could be used.
var ErrNoPlaces = errors.New("places: no record has a city, a country or a network that can be read")

// File is a file of places as it stands on the disk. It implements
// [approval.Places] and is safe for concurrent use.
type File struct {
	path string
	log  *slog.Logger

	now     atomic.Pointer[maxminddb.Reader]
	stamp   stamp             // of what was looked at last
	refused [sha256.Size]byte // what could not be used, and was said
}

// stamp is by what a change of the file is noticed.
type stamp struct {
	at   time.Time
	size int64
}

// Open reads the file at path for the first time, when what is wrong with it is a
// reason not to start.
func Open(path string, log *slog.Logger) (*File, error) {
	f := &File{path: path, log: log}
	s, raw, err := f.read()
	if err != nil {
		return nil, err
	}
	r, err := parse(raw)
	if err != nil {
		return nil, err
	}
	f.stamp = s
	f.now.Store(r)
	return f, nil
}

// Run looks after the file until ctx ends.
func (f *File) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			f.look()
		}
	}
}

// look takes the file over if it has changed. One that cannot be used leaves the
// one before it in place, and the log says so once for each content.
func (f *File) look() {
	info, err := os.Stat(f.path)
	if err == nil && stampOf(info) == f.stamp {
		return
	}
	s, raw, err := f.read()
	var r *maxminddb.Reader
	if err == nil {
		r, err = parse(raw)
	}
	f.stamp = s
	if err != nil {
		if sum := sha256.Sum256(append(raw, err.Error()...)); sum != f.refused {
			f.refused = sum
			f.log.Error("places cannot be used, those before stay", "file", f.path, "error", err)
		}
		return
	}
	f.refused = [sha256.Size]byte{}
	f.now.Store(r)
	f.log.Info("places read again", "file", f.path, "of", r.Metadata.BuildTime())
}

// read returns the file, and the stamp that it had before: what changes while it
// is read is read again.
func (f *File) read() (stamp, []byte, error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return stamp{}, nil, fmt.Errorf("read places: %w", err)
	}
	raw, err := os.ReadFile(f.path)
	if err != nil {
		return stamp{}, nil, fmt.Errorf("read places: %w", err)
	}
	return stampOf(info), raw, nil
}

func stampOf(info os.FileInfo) stamp { return stamp{info.ModTime(), info.Size()} }

// parse returns what raw holds. A file of something else, as there are of
// anonymous networks, is refused: it would silently know nothing.
func parse(raw []byte) (*maxminddb.Reader, error) {
	r, err := maxminddb.OpenBytes(raw)
	if err != nil {
		return nil, fmt.Errorf("read places: %w", err)
	}
	left := sample
	for at := range r.Networks() {
		var rec record
		if err := at.Decode(&rec); err != nil {
			return nil, fmt.Errorf("read places: %w", err)
		}
		if p := rec.place(); p.Country != "" || p.City != "" || p.Network != 0 {
			return r, nil
		}
		if left--; left == 0 {
			break
		}
	}
	return nil, ErrNoPlaces
}

// record is what GeoLite2 and GeoIP2 City, Country, ASN and Enterprise, and those
// who write files like theirs, have of an address.
type record struct {
	City    names `maxminddb:"city"`
	Country struct {
		ISO string `maxminddb:"iso_code"`
		names
	} `maxminddb:"country"`
	Subdivisions []struct {
		ISO string `maxminddb:"iso_code"`
		names
	} `maxminddb:"subdivisions"`
	Network uint `maxminddb:"autonomous_system_number"`
	Traits  struct {
		Network uint `maxminddb:"autonomous_system_number"`
	} `maxminddb:"traits"`
}

// names is a thing that has an id where the file gives one, and names by language.
type names struct {
	ID    uint              `maxminddb:"geoname_id"`
	Names map[string]string `maxminddb:"names"`
}

// Place implements [approval.Places].
func (f *File) Place(a netip.Addr) approval.Place {
	var rec record
	if err := f.now.Load().Lookup(a.Unmap()).Decode(&rec); err != nil {
		f.log.Warn("place cannot be read", "file", f.path, "error", err)
		return approval.Place{}
	}
	return rec.place()
}

func (r record) place() approval.Place {
	p := approval.Place{
		Country: r.Country.ISO, Countries: r.Country.Names, City: r.city(), Cities: r.City.Names, Network: r.Network,
	}
	if p.Network == 0 {
		p.Network = r.Traits.Network
	}
	return p
}

// city is what makes it the same city: its id, or its name and all that it lies
// in. There is a Springfield in most states.
func (r record) city() string {
	name := r.City.Names["en"]
	switch {
	case r.City.ID != 0:
		return strconv.FormatUint(uint64(r.City.ID), 10)
	case name == "":
		return ""
	}
	in := r.Country.ISO
	for _, s := range r.Subdivisions {
		in += "/" + s.ISO + s.Names["en"]
	}
	return in + "/" + name
}
