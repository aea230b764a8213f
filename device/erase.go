package device

import "context"

// EraseUser forgets a user for good: her devices, requests, evidence and what
// means her, and then what the audit log says of her. It returns ErrUserBusy
// while an OP waits for an answer about her.
func (s *Service) EraseUser(ctx context.Context, id UserID, by Actor) error {
	return s.Users.EraseUser(ctx, id, by)
}
