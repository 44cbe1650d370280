#!/bin/sh
# The demo's rows, through the proxy, and what a client reads there. PGHOST and the like say where
# the proxy is.
set -eu
psql --no-psqlrc --set=ON_ERROR_STOP=1 --file="$(dirname "$0")/seed.sql"
