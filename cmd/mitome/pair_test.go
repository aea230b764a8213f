package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"rsc.io/qr"
)

// TestQR reads a drawn code back and compares it with what was meant.
func TestQR(t *testing.T) {
	code, err := qr.Encode("https://mitome.example/pair#ABCDEFGHIJKLMNOPQRSTUVWXYZ", qr.L)
	if err != nil {
		t.Fatal(err)
	}
	for _, invert := range []bool{false, true} {
		var b strings.Builder
		drawQR(&b, code, invert)
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		drawn := func(x, y int) bool { // is there ink?
			r := []rune(lines[(y+quiet)/2])[x+quiet]
			return r == '█' || (y+quiet)%2 == 0 && r == '▀' || (y+quiet)%2 == 1 && r == '▄'
		}
		for y := -quiet; y < code.Size+quiet; y++ {
			for x := -quiet; x < code.Size+quiet; x++ {
				if drawn(x, y) != (code.Black(x, y) == invert) {
					t.Fatalf("invert %v: module %d,%d is wrong", invert, x, y)
				}
			}
		}
	}
}

func TestAsk(t *testing.T) {
	for in, want := range map[string]bool{
		"y\n": true, "YES \n": true, "y": true, "\n": false, "": false, "n\n": false, "yesterday\n": false,
	} {
		a := &app{ctx: t.Context(), in: strings.NewReader(in), err: io.Discard}
		if got, err := a.ask("? "); got != want || err != nil {
			t.Errorf("%q: got %v, %v, want %v", in, got, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	never, closing := io.Pipe()
	defer closing.Close()
	if _, err := (&app{ctx: ctx, in: never, err: io.Discard}).ask("? "); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: got %v", err)
	}
}
