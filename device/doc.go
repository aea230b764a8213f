// Package device holds people and what they approve with: users, their
// authentication devices, the passkeys on them, and the enrollments (pairings)
// that put them there.
//
// An enrollment goes
//
//	offered ─▶ claimed ─▶ confirmed ─▶ completed
//	   └──────────┴───────────┴──────▶ expired, cancelled
//
// and its rules are one pure function, [Enrollment.Step].
//
// # Why
//
// A user is (OP, subject): the same person at two OPs is two users, because
// only the OP can say who somebody is and no OP answers for another's subjects.
package device
