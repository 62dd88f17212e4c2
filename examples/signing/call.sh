#!/bin/sh
# Calls the gate of app.py with curl, signed:
#
#     export GATE=... KEY_ID=... KEY=...        # what app.py set-up printed
#     sh examples/signing/call.sh Lisbon
#
# The command that is printed is good once, within 30 seconds; the key is not in it.

set -eu
apikeychain sign GET "$GATE?q=$1" --key-id "$KEY_ID" --env KEY --curl | sh
