package mds

import "crypto/x509"

// Look has the file looked at now.
func (f *File) Look() {
	f.look()
	f.complain()
}

// Verify reads a BLOB as one of FIDO's own root would be, but for the root.
func Verify(o Options, root []byte) error {
	f := &File{o: o, anchor: anchor{x509.NewCertPool(), fidoSigner}}
	f.anchor.roots.AppendCertsFromPEM(root)
	_, err := f.read()
	return err
}
