#!/bin/sh
# A master key and a manifest for the demo, in the current directory, unless they are there.
set -eu
if [ -e sealwire.toml ]; then
    echo 'the manifest is there already'
    exit 0
fi
sealwire init
sealwire keys create demo
sealwire columns add public.patients.ssn --type text --deterministic
sealwire columns add public.patients.diagnosis --type text
