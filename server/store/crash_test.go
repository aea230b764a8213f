package store_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// crashURL names the database to the process that is going to be killed.
const crashURL = "MITOME_TEST_CRASH_URL"

// TestKilledWriter is that process: it writes from many sides until it is killed,
// and says of each user that it was told is stored. By itself it has nothing to
// do.
func TestKilledWriter(t *testing.T) {
	url := os.Getenv(crashURL)
	if url == "" {
		return
	}
	db, err := store.Open(t.Context(), url, store.Options{Ring: seal.New()})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var out sync.Mutex
	for range 32 {
		wg.Go(func() {
			for {
				id := rand.Text()
				if err := add(context.Background(), db, id); err != nil {
					t.Error(err)
					return
				}
				out.Lock()
				fmt.Fprintln(os.Stdout, id)
				out.Unlock()
			}
		})
	}
	wg.Wait()
}

// TestAcknowledgedSurvivesAKill: whatever somebody was told is stored is there
// after the process was killed in the middle of its work.
func TestAcknowledgedSurvivesAKill(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { killed(t, "sqlite:"+filepath.Join(t.TempDir(), "mitome.db")) })
	t.Run("postgres", func(t *testing.T) { killed(t, storetest.PostgresURL(t)) })
}

func killed(t *testing.T, url string) {
	for range 3 {
		db := storetest.Open(t, url, seal.New())
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledWriter$")
		cmd.Env = append(os.Environ(), crashURL+"="+url)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var told []string
		for lines := bufio.NewScanner(out); lines.Scan(); {
			told = append(told, lines.Text()) // what it said before its end, to the last line
			if len(told) == 500 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil || len(told) < 500 {
			t.Fatalf("ended by itself (%v) after %d users", err, len(told))
		}
		for _, id := range told {
			if len(id) == len(rand.Text()) && !stored(t, db, id) { // a line may have broken off
				t.Errorf("%s was acknowledged and is gone", id)
			}
		}
		if db.IsPostgres() {
			continue
		}
		var said string
		if err := db.Raw().QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&said); err != nil || said != "ok" {
			t.Errorf("integrity: %s, %v", said, err)
		}
	}
}
