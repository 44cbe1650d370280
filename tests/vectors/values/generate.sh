#!/bin/sh
# Makes the golden files beside this script with a PostgreSQL of its own. Needs the server's
# programs (PGBIN, by default where pg_config says) and a user that is not root.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=${PGBIN:-$(pg_config --bindir)}
out=${1:-$here}
work=$(mktemp -d)
trap '"$bin/pg_ctl" -D "$work/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$work"' EXIT

"$bin/initdb" -D "$work/data" -U postgres -E UTF8 --locale=C -A trust >/dev/null
"$bin/pg_ctl" -D "$work/data" -l "$work/log" -w start \
    -o "-c listen_addresses='' -c unix_socket_directories='$work' -c fsync=off" >/dev/null
psql="$bin/psql -X -q -h $work -U postgres -v ON_ERROR_STOP=1"
$psql -f "$here/generate.sql" postgres
for kind in $($psql -At -c "select distinct kind from cases order by 1" postgres); do
    $psql -c "copy (select type, settings, input, sqlstate, binary_form, output
                    from results where kind = '$kind' order by n) to stdout" postgres \
        > "$out/$kind.tsv"
done
$psql -c "copy (select type, wire, input, sqlstate, binary_form, output
                from assignments order by n) to stdout" postgres > "$out/assignment.tsv"
# What is not listed as equal is not equal; a pair of types without an operator, or with more than
# one, is listed once.
$psql -c "copy (select type, wire, stored, probe from comparisons
                where answer = 'true' order by n) to stdout" postgres > "$out/equal.tsv"
$psql -c "copy (select type, wire from comparisons
                where answer in ('42883', '42725') group by 1, 2 order by min(n)) to stdout" postgres > "$out/incomparable.tsv"
$psql -c "copy (select type, stored from comparisons group by 1, 2 order by min(n)) to stdout" postgres \
    > "$out/stored.tsv"
