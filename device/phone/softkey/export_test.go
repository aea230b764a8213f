package softkey

// FailWrites has every write fail at its last step, as on a full disk.
func (s *Store) FailWrites(err error) {
	s.rename = func(string, string) error { return err }
}
