// Package firefoxtest drives a real Firefox, and is the push service that it
// subscribes at: what Mitome sends is decrypted by a browser that nobody here
// wrote, and shown by it.
//
// # Why
//
// Chromium's push service cannot be replaced, so there a test hands the worker
// what was decrypted already. Firefox lets its service be named, and the line to
// it is a WebSocket with a few small messages.
//
// Firefox speaks WebDriver BiDi by itself, over a WebSocket as well: no driver
// program is needed. It has no authenticator in software that BiDi could switch
// on, so a [Passkey] of the test's answers in its place; everything else on the
// pages is Mitome's own.
package firefoxtest
