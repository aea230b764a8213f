package approvaltest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval"
)

func listed(t *testing.T, s Stores) {
	a, b := s.People.NewUser(t, "corp", "A"), s.People.NewUser(t, "shop", "B")
	d := s.People.NewDevice(t, a, s.People.Session(t), Start)
	old, denied, ofB := Request(a.ID), Request(a.ID), Request(b.ID)
	denied.CreatedAt, ofB.CreatedAt, ofB.OP = Start.Add(time.Second), Start.Add(2*time.Second), "shop"
	for _, r := range []approval.Request{ofB, old, denied} {
		s.create(t, r)
	}
	if err := s.Requests.UpdateRequest(t.Context(), decide(denied, d, approval.Deny)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		query approval.Query
		want  []approval.RequestID
	}{
		{"all, newest first", approval.Query{}, []approval.RequestID{ofB.ID, denied.ID, old.ID}},
		{"limit", approval.Query{Limit: 2}, []approval.RequestID{ofB.ID, denied.ID}},
		{"limit beyond bounds", approval.Query{Limit: 1 << 30}, []approval.RequestID{ofB.ID, denied.ID, old.ID}},
		{"one OP", approval.Query{OP: "corp"}, []approval.RequestID{denied.ID, old.ID}},
		{"one user", approval.Query{User: b.ID}, []approval.RequestID{ofB.ID}},
		{"one state", approval.Query{State: approval.Denied}, []approval.RequestID{denied.ID}},
		{"all filters", approval.Query{OP: "corp", User: a.ID, State: approval.Pending}, []approval.RequestID{old.ID}},
		{"unsure only", approval.Query{Unsure: true}, nil},
	} {
		got, err := s.Listing.ListRequests(t.Context(), test.query)
		var found []approval.RequestID
		for _, l := range got {
			found = append(found, l.Request.ID)
			if l.Request.Handle != "" {
				t.Errorf("%s: a list holds a handle", test.name)
			}
		}
		if diff := cmp.Diff(test.want, found); err != nil || diff != "" {
			t.Errorf("%s: %v, %s", test.name, err, diff)
		}
	}
}

func listedReports(t *testing.T, s Stores) {
	ctx := t.Context()
	r, d := s.fresh(t)
	check := func(want approval.ReportState, cause string) {
		t.Helper()
		got, err := s.Listing.ListRequests(ctx, approval.Query{})
		if err != nil || len(got) != 1 || got[0].Report != want || got[0].Cause != cause {
			t.Errorf("got %+v, %v, want %q because %q", got, err, want, cause)
		}
	}
	check(approval.NoReport, "")
	if err := s.Requests.UpdateRequest(ctx, decide(r, d, approval.Deny)); err != nil {
		t.Fatal(err)
	}
	check(approval.ReportWaiting, "")
	s.EndReport(t, r.ID, approval.ReportUnsure, "hung up")
	check(approval.ReportUnsure, "hung up")
	got, err := s.Listing.ListRequests(ctx, approval.Query{Unsure: true})
	if err != nil || len(got) != 1 || got[0].Attempts != 1 {
		t.Errorf("got %+v, %v, want the unsure one after one attempt", got, err)
	}
}
