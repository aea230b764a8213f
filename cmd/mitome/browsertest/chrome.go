package browsertest

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Patience is how long a test waits for something that ought to happen at once.
const Patience = 30 * time.Second

// Chrome is a running Chromium. Each [Browser] is a profile of its own in it.
type Chrome struct {
	ctx context.Context
	axe string // the source of axe-core
}

// Start runs the Chromium that MITOME_TEST_CHROMIUM names. Its pages are checked
// by the axe-core that MITOME_TEST_AXE names.
func Start(t *testing.T) *Chrome {
	t.Helper()
	axe, err := os.ReadFile(setting(t, "MITOME_TEST_AXE", "tools/axe.sh prints what it must be"))
	if err != nil {
		t.Fatal(err)
	}
	flags := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(setting(t, "MITOME_TEST_CHROMIUM", "it must name a Chromium")),
		chromedp.NoSandbox, // the tests may run as root, where it does not work
		chromedp.DisableGPU, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("hide-scrollbars", true),
	)
	// Not of t.Context, which ends before the cleanup that ends the browser in order.
	ctx, stop := chromedp.NewExecAllocator(context.Background(), flags...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return &Chrome{ctx: ctx, axe: string(axe)}
}

func setting(t *testing.T, name, help string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Fatalf("%s is not set; %s", name, help)
	}
	return v
}
