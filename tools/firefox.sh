#!/bin/sh
# Prints where a Firefox is: MITOME_TEST_FIREFOX, or the first that is found. It
# must be 152 or newer: older ones know no buttons on a notification.
for name in "${MITOME_TEST_FIREFOX:-}" firefox-esr firefox; do
	path="$([ -n "$name" ] && command -v "$name")" || continue
	version="$("$path" --version 2>/dev/null | sed -n 's/.*Firefox \([0-9]*\).*/\1/p')"
	[ "${version:-0}" -ge 152 ] && echo "$path" && exit
done
exit 1
