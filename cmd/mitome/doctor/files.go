package doctor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// How much room a disk must have for the database and its journal.
const (
	roomLeast = 64 << 20
	roomSmall = 512 << 20
)

// CheckFolder looks at data_dir. If it is not there yet, it is made at the first
// start.
func CheckFolder(r *Report, dir string, sqlite bool) {
	const check = "data_dir"
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		parent := filepath.Dir(dir)
		if _, err := os.Stat(parent); err != nil {
			r.Warn(check, "Neither %s nor the folder that holds it is there; it is made at the first start if this user may, so look for a spelling mistake or a volume that is not mounted.", dir)
			return
		}
		r.OK(check, "%s is not there yet, and is made at the first start.", dir)
		return
	case err != nil:
		r.Fault(check, "%s cannot be looked at (%s); run doctor as the user that runs mitome serve.", dir, printable(err.Error()))
		return
	case !info.IsDir():
		r.Fault(check, "%s is no folder; change data_dir.", dir)
		return
	}
	if !writable(dir) {
		r.Fault(check, "This user may not write to %s; give it to the user that runs mitome serve (chown), and run doctor as that one.", dir)
		return
	}
	if info.Mode().Perm()&0o007 != 0 {
		r.Warn(check, "Everybody on this machine may look into %s (mode %04o); chmod 700 it.", dir, info.Mode().Perm())
	}
	d, ok := diskOf(dir)
	switch {
	case ok && sqlite && d.network != "":
		r.Fault(check, "%s is on %s, where SQLite's locks do not hold and the database will break; use a disk of this machine, or PostgreSQL.", dir, d.network)
	case ok && d.free < roomLeast:
		r.Fault(check, "Only %d MiB are free on the disk of %s; make room before the database stops taking decisions.", d.free>>20, dir)
	case ok && d.free < roomSmall:
		r.Warn(check, "Only %d MiB are free on the disk of %s; make room.", d.free>>20, dir)
	default:
		r.OK(check, "%s can be written.", dir)
	}
}

// disk is what a file system says of itself.
type disk struct {
	free    uint64
	network string // its name, if the file system is another machine's
}

// CheckSecretFile looks who may read a file that holds a secret.
func CheckSecretFile(r *Report, what, path string) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		r.Fault(what, "%s cannot be read (%s); mend the path, or run doctor as the user that runs mitome serve.", path, printable(err.Error()))
	case info.Mode().Perm()&0o004 != 0 && !hidden(path):
		r.Warn(what, "Everybody on this machine may read %s (mode %04o); chmod 600 it.", path, info.Mode().Perm())
	default:
		r.OK(what, "%s can be read, by no stranger.", path)
	}
}

// hidden reports whether a folder above keeps strangers out, or whether it is
// where container engines mount secrets: there the folder on the host does.
func hidden(path string) bool {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if dir == "/run/secrets" {
			return true
		}
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o001 == 0 {
			return true
		}
		if dir == filepath.Dir(dir) {
			return false
		}
	}
}
