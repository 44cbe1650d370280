# Runs PostgreSQL in a container for as long as the tests that started it hold a connection, the
# lease, then ends, and the container is removed with it. So a killed test process leaves no
# container behind.
#
# usage: sh -c LEASE sh APPLICATION_NAME
lease=$1
umask 077
printf '%s' "$SEALWIRE_SERVER_CERTIFICATE" >/tmp/server.crt
printf '%s' "$SEALWIRE_SERVER_KEY" >/tmp/server.key
chown postgres /tmp/server.crt /tmp/server.key

docker-entrypoint.sh postgres -c fsync=off -c full_page_writes=off -c synchronous_commit=off \
    -c "max_connections=$SEALWIRE_SERVER_CONNECTIONS" -c password_encryption=scram-sha-256 \
    -c ssl=on -c ssl_cert_file=/tmp/server.crt -c ssl_key_file=/tmp/server.key &
server=$!
seconds=0
while kill -0 "$server" 2>/dev/null; do
    sleep 1
    seconds=$((seconds + 1))
    # The table says that there has been a lease, however short.
    state=$(psql -U postgres -d postgres -Atc "SELECT CASE
        WHEN to_regclass('public.sealwire_tests_lease') IS NULL THEN 'waiting'
        WHEN EXISTS (SELECT FROM pg_stat_activity WHERE application_name = '$lease') THEN 'held'
        ELSE 'over' END" 2>/dev/null)
    case $state in
    held) ;;
    over) break ;;
    *) [ "$seconds" -gt 120 ] && break ;;
    esac
done
kill -INT "$server" 2>/dev/null
wait "$server"
