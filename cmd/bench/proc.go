package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is Linux' unit of a process's time, the same on every machine of ours.
const tick = time.Second / 100

// rss is a process's resident memory in MiB, as Linux tells it.
func rss(pid int) (float64, error) {
	kib, err := procValue("/proc/"+strconv.Itoa(pid)+"/status", "VmRSS: %f kB")
	return kib / 1024, err
}

// fileLimit is how many files a process may open at most.
func fileLimit() (int, error) {
	var soft float64 // which Go raises to the other
	most, err := procValue("/proc/self/limits", "Max open files %f %f", &soft)
	return int(most), err
}

// procValue is the last number of the line of a file of Linux' that has a form.
func procValue(path, form string, before ...any) (value float64, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("ask Linux: %w", err)
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		if _, err := fmt.Sscanf(line, form, append(before, &value)...); err == nil {
			return value, nil
		}
	}
	return 0, fmt.Errorf("ask Linux: no line %q in %s", form, path)
}

// cpuTime is the processor time that a process has used, zero if Linux does not
// tell: it explains a figure and is none.
func cpuTime(pid int) time.Duration {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), ") ") // the program's name may hold anything
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick
}

// memory is what Mitome holds, and what the kernel holds in all, in bytes.
type memory struct {
	rss, kernel        float64
	program            float64 // what of rss is the program itself
	inUse, free, stack float64 // of Go's heap, and of its goroutines
}

// memory looks at Mitome.
func (t task) memory(ctx context.Context) (m memory, err error) {
	mib, err := rss(t.PID)
	if err != nil {
		return m, err
	}
	m.rss = mib * (1 << 20)
	if m.program, err = procValue("/proc/"+strconv.Itoa(t.PID)+"/status", "RssFile: %f kB"); err != nil {
		return m, err
	}
	m.program *= 1024
	slab, err1 := procValue("/proc/meminfo", "Slab: %f kB")
	pages, err2 := procValue("/proc/net/sockstat", "TCP: inuse %f orphan %f tw %f alloc %f mem %f", new(float64), new(float64), new(float64), new(float64))
	if err1 == nil && err2 == nil { // within a container it may not tell
		m.kernel = slab*1024 + pages*float64(os.Getpagesize())
	}
	said, err := t.metrics(ctx)
	m.inUse, m.stack = said["go_memstats_heap_inuse_bytes"], said["go_memstats_stack_inuse_bytes"]
	m.free = said["go_memstats_heap_idle_bytes"] - said["go_memstats_heap_released_bytes"]
	return m, err
}

// less is what a socket takes of what came to m since before. The kernel holds
// both its ends, of which one is Mitome's.
func (m memory) less(before memory, sockets int) (rss, kernel float64) {
	n := float64(sockets)
	say("resident: %.1f MiB, with %d sockets more %.1f, of each %.0f bytes in the heap (garbage among it), %.0f of heap kept free, %.0f of stack, %.0f of the program",
		before.rss/(1<<20), sockets, m.rss/(1<<20), (m.inUse-before.inUse)/n, (m.free-before.free)/n, (m.stack-before.stack)/n, (m.program-before.program)/n)
	return (m.rss - before.rss) / n, (m.kernel - before.kernel) / (2 * n)
}

// metrics are those of Mitome's that have no labels.
func (t task) metrics(ctx context.Context) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+t.Metrics+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New("read metrics: " + resp.Status)
	}
	said := map[string]float64{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, text, _ := strings.Cut(lines.Text(), " ")
		if value, err := strconv.ParseFloat(text, 64); err == nil {
			said[name] = value
		}
	}
	return said, lines.Err()
}
