package doctor

import "golang.org/x/sys/unix"

// networks are the file systems of other machines, by their magic number.
var networks = map[int64]string{
	unix.NFS_SUPER_MAGIC:  "a network file system (NFS)",
	unix.SMB2_SUPER_MAGIC: "a network file system (SMB)",
	unix.CIFS_SUPER_MAGIC: "a network file system (CIFS)",
	unix.SMB_SUPER_MAGIC:  "a network file system (SMB)",
	unix.V9FS_MAGIC:       "a network file system (9P)",
	unix.CEPH_SUPER_MAGIC: "a network file system (Ceph)",
}

// diskOf looks at the file system that holds a path.
func diskOf(path string) (disk, bool) {
	var s unix.Statfs_t
	if unix.Statfs(path, &s) != nil {
		return disk{}, false
	}
	kind := int64(s.Type) //nolint:unconvert // an int32 on other machines
	return disk{free: s.Bavail * uint64(s.Bsize), network: networks[kind]}, true
}

// writable reports whether this process may make files there. It makes none.
func writable(dir string) bool { return unix.Access(dir, unix.W_OK|unix.X_OK) == nil }
