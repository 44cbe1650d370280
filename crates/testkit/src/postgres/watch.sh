# Runs a private PostgreSQL cluster for as long as somebody holds the other end of standard input,
# then stops it and removes everything. The kernel closes that end however the holder ends, so
# neither a panic nor a kill leaves a server or a directory behind.
#
# usage: sh -c WATCH sh ROOT BINDIR PORT [SETTING=VALUE...]
root=$1 bindir=$2 port=$3
shift 3
exec 3<&0 </dev/null >"$root/log" 2>&1

"$bindir/initdb" --pgdata="$root/data" --username=postgres --pwfile="$root/password" \
    --auth=scram-sha-256 --encoding=UTF8 --no-locale --no-sync 3<&-
for setting do
    shift
    set -- "$@" -c "$setting"
done
"$bindir/postgres" -D "$root/data" -k "$root" -p "$port" "$@" 3<&- &
server=$!
(
    read -r _ <&3
    # A signal that comes before the server has set its handlers would be lost: repeat it.
    until [ -e "$root/ended" ]; do
        kill -INT "$server" 2>/dev/null
        sleep 0.05
    done
) &
exec 3<&-
wait "$server"
echo "$?" >"$root/ended"
wait
rm -rf "$root"
