package main

import (
	"context"
	"time"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server"
	"github.com/mitome-ciba/mitome/server/store"
)

const (
	sealTime   = 10 * time.Second // seldom: a batch costs the same whether it holds one row or a hundred
	forgetTime = 10 * time.Minute
)

// archivist is what seals the audit log, apart from the sweeper, which must not
// wait while a long log is sealed for the first time.
func (n *node) archivist() *server.Sweeper {
	chain := &store.AuditChain{DB: n.db, Sign: n.signer.SignAudit, Issuer: n.config.PublicURL}
	return &server.Sweeper{Every: sealTime, Log: n.log, Sweeps: []server.Sweep{
		{Name: "audit log", Do: chain.Seal}, {Name: "erased users", Do: chain.Erase},
	}}
}

// forgetter removes what is older than is kept.
func (n *node) forgetter() *server.Sweeper {
	keep := n.config.Retention
	chain := &store.AuditChain{DB: n.db, Sign: n.signer.SignAudit, Issuer: n.config.PublicURL}
	old := func(life time.Duration, forget func(ctx context.Context, before time.Time, limit int) (int, error)) func(context.Context, int) (int, error) {
		return func(ctx context.Context, limit int) (int, error) {
			if life == 0 {
				return 0, nil
			}
			return forget(ctx, time.Now().Add(-life), limit)
		}
	}
	return &server.Sweeper{Every: forgetTime, Log: n.log, Sweeps: []server.Sweep{
		{Name: "old deliveries", Do: old(keep.Deliveries, n.db.ForgetJobs)},
		{Name: "old requests", Do: old(keep.Requests, n.db.ForgetRequests)},
		{Name: "old rows of the log", Do: old(keep.Audit, func(ctx context.Context, before time.Time, limit int) (int, error) {
			return chain.Prune(ctx, before, device.Mitome, limit)
		})},
	}}
}
