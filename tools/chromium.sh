#!/bin/sh
# Prints where a Chromium is: MITOME_TEST_CHROMIUM, or the first that is found.
for name in "${MITOME_TEST_CHROMIUM:-}" chromium chromium-browser google-chrome; do
	[ -n "$name" ] && command -v "$name" && exit
done
exit 1
