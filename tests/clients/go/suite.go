// pgx 4: prepared statements with binary values, described statements, the simple protocol, batches,
// CopyFrom, the pool, transactions with savepoints, notifications, contexts that cancel.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgtype"
	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
)

var (
	marker  = os.Getenv("SEALWIRE_MARKER")
	columns = []string{"code", "n4", "n8", "t", "ok", "f8", "amount", "uid", "d", "ts", "tstz", "raw", "doc", "tags", "note"}
	start   = time.Date(2024, 2, 29, 12, 30, 15, 123456000, time.UTC)
	ctx     = context.Background()
)

// Labelled outcomes in their order. Types count: `1` and `"1"` are different answers.
type record struct{ entries [][2]string }

func (r *record) note(label string, value interface{}) {
	r.entries = append(r.entries, [2]string{label, fmt.Sprintf("%#v", value)})
}

func code(err error) string {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server.Code + " " + server.ConstraintName + " " + server.TableName
	}
	return strings.Split(err.Error(), ": ")[0]
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

type querier interface {
	Query(ctx context.Context, sql string, args ...interface{}) (pgx.Rows, error)
}

// What a statement answers: descriptions and rows, or what tells its error apart.
func (r *record) ask(label string, on querier, sql string, args ...interface{}) {
	rows, err := on.Query(ctx, sql, args...)
	if err != nil {
		r.note(label, code(err))
		return
	}
	r.rows(label, rows)
}

func (r *record) rows(label string, rows pgx.Rows) {
	defer rows.Close()
	var answer []string
	for rows.Next() {
		values, err := rows.Values()
		check(err)
		for _, value := range values {
			if at, ok := value.(time.Time); ok {
				value = at.UTC().String()
			}
			answer = append(answer, fmt.Sprintf("%T %v", value, value))
		}
	}
	if rows.Err() != nil {
		r.note(label, code(rows.Err()))
		return
	}
	for _, field := range rows.FieldDescriptions() {
		answer = append(answer, fmt.Sprintf("%s %d %d %d %d", field.Name, field.DataTypeOID, field.DataTypeSize, field.TypeModifier, field.Format))
	}
	r.note(label, append(answer, rows.CommandTag().String()))
}

func uid(number int) string { return fmt.Sprintf("5e5a3e5e-0000-4000-8000-%012d", number) }

func name(number int) string { return fmt.Sprintf("%s-%d", marker, number) }

func jsonb(value interface{}) *pgtype.JSONB {
	var document pgtype.JSONB
	check(document.Set(value))
	return &document
}

func row(number int) []interface{} {
	at := start.Add(time.Duration(number) * 25 * time.Hour)
	document := jsonb(map[string]interface{}{"key": marker, "list": []interface{}{1, nil, true}})
	var amount pgtype.Numeric
	check(amount.Set(fmt.Sprintf("%d.10", number)))
	var id pgtype.UUID
	check(id.Set(uid(number)))
	return []interface{}{
		name(number), int32(number % 3), int64(777712345000 + number), fmt.Sprintf("%s öffne dich %d", marker, number),
		number%2 == 0, float64(number) / 7, &amount, &id, at, at, at, []byte(marker + "\x00"), document,
		[]string{marker, `a "quoted", one\`, ""}, "note",
	}
}

func insertion() string {
	marks := make([]string, len(columns))
	for index := range marks {
		marks[index] = fmt.Sprintf("$%d", index+1)
	}
	return "INSERT INTO items (" + strings.Join(columns, ", ") + ") VALUES (" + strings.Join(marks, ", ") + ") RETURNING *"
}

func statements(r *record, conn *pgx.Conn) {
	for number := 0; number < 10; number++ {
		r.ask("insert", conn, insertion(), row(number)...)
	}
	nothing := make([]interface{}, len(columns))
	nothing[0] = "no values"
	r.ask("no values", conn, insertion(), nothing...)
	var day pgtype.Date
	check(day.Set(start.AddDate(0, 0, 4)))
	for turn := 0; turn < 2; turn++ {
		r.ask("by code", conn, "SELECT * FROM items WHERE code = $1", name(4))
		r.ask("by uid", conn, "SELECT * FROM items WHERE uid = $1", uid(4))
		r.ask("by date", conn, "SELECT id, d FROM items WHERE d = $1 ORDER BY id", &day)
		r.ask("by number", conn, "SELECT id, n4, tags FROM items WHERE n4 IN ($1, $2) ORDER BY id", int32(1), int32(2))
		r.ask("by time", conn, "SELECT id FROM items WHERE tstz = $1", start.Add(25*time.Hour))
		r.ask("by ANY", conn, "SELECT id, code FROM items WHERE code = ANY($1) ORDER BY id", []string{name(1), name(2)})
	}
	r.ask("update", conn, "UPDATE items SET t = $1, doc = $2, ok = $3 WHERE code = $4 RETURNING id, t, doc, ok",
		marker+" new", jsonb([]string{marker}), true, name(1))
	r.ask("upsert", conn, "INSERT INTO items (code, n4) VALUES ($1, $2) ON CONFLICT (code) DO UPDATE SET n4 = EXCLUDED.n4 RETURNING id, n4",
		name(2), int32(77))
	for _, number := range []int{1, 2, 2} {
		r.ask("order", conn, "INSERT INTO orders (item_code, quantity, remark) VALUES ($1, $2, $3) RETURNING *", name(number), int32(number*10), marker)
	}
	r.ask("join", conn, "SELECT i.id, i.t, o.quantity FROM items i JOIN orders o ON o.item_code = i.code WHERE o.quantity = $1 ORDER BY o.id", int32(20))
	r.ask("several", conn, "SELECT 1; SELECT 2")

	// Scanned into what an application has.
	var text *string
	var number *int32
	var tags []string
	var document map[string]interface{}
	check(conn.QueryRow(ctx, "SELECT t, n4, tags, doc FROM items WHERE code = $1", name(5)).Scan(&text, &number, &tags, &document))
	encoded, err := json.Marshal(document)
	check(err)
	r.note("scanned", []interface{}{*text, *number, tags, string(encoded)})
}

func failures(r *record, conn *pgx.Conn) {
	for _, failure := range []struct {
		label, sql string
		value      interface{}
	}{
		{"unique", "INSERT INTO items (code) VALUES ($1)", name(3)},
		{"not null", "INSERT INTO items (t) VALUES ($1)", marker},
		{"foreign key", "INSERT INTO orders (item_code) VALUES ($1)", "nothing"},
		{"too long", "INSERT INTO items (code) VALUES ($1)", strings.Repeat("x", 21)},
		{"wrong type", "UPDATE items SET n4 = $1", "x"},
		{"no such column", "SELECT nothing FROM items WHERE code = $1", "x"},
		{"syntax", "SELECT FROM WHERE $1", "x"},
	} {
		tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.Serializable})
		check(err)
		savepoint, err := tx.Begin(ctx)
		check(err)
		r.ask(failure.label, savepoint, failure.sql, failure.value)
		check(savepoint.Rollback(ctx))
		r.ask("after "+failure.label, tx, "SELECT count(*) FROM items")
		r.ask("again", tx, failure.sql, failure.value)
		r.ask("aborted?", tx, "SELECT count(*) FROM items")
		_ = tx.Rollback(ctx)
	}
}

func batches(r *record, conn *pgx.Conn) {
	var batch pgx.Batch
	for number := 0; number < 5; number++ {
		batch.Queue("SELECT id, t, raw FROM items WHERE code = $1", name(number))
		batch.Queue("INSERT INTO items (code, n4) VALUES ($1, $2) RETURNING id", fmt.Sprintf("batch %d", number), int32(number))
	}
	results := conn.SendBatch(ctx, &batch)
	for index := 0; index < batch.Len(); index++ {
		rows, err := results.Query()
		check(err)
		r.rows("batch", rows)
	}
	check(results.Close())
	var failing pgx.Batch
	failing.Queue("INSERT INTO items (code) VALUES ($1)", "undone")
	failing.Queue("INSERT INTO items (code) VALUES ($1)", name(3))
	failing.Queue("SELECT 1")
	results = conn.SendBatch(ctx, &failing)
	for index := 0; index < failing.Len(); index++ {
		if _, err := results.Exec(); err != nil {
			r.note("failing batch", code(err))
		} else {
			r.note("failing batch", "done")
		}
	}
	r.note("failing batch", code(results.Close()))
	r.ask("undone", conn, "SELECT count(*) FROM items WHERE code = $1", "undone")
}

func copying(r *record, conn *pgx.Conn) {
	var rows [][]interface{}
	for number := 20; number < 30; number++ {
		rows = append(rows, row(number))
	}
	copied, err := conn.CopyFrom(ctx, pgx.Identifier{"items"}, columns, pgx.CopyFromRows(rows))
	check(err)
	r.note("copied", copied)
	r.ask("copied", conn, "SELECT * FROM items WHERE n8 IS NOT NULL AND id > 20 ORDER BY id")
	var out strings.Builder
	_, err = conn.PgConn().CopyTo(ctx, &out, "COPY (SELECT code, n4, t, d FROM items ORDER BY id) TO STDOUT (FORMAT csv)")
	check(err)
	r.note("copied out", out.String())
}

func waiting(r *record, conn *pgx.Conn, config *pgx.ConnConfig) {
	_, err := conn.Exec(ctx, "LISTEN news")
	check(err)
	_, err = conn.Exec(ctx, "SELECT pg_notify('news', $1)", "hello")
	check(err)
	news, err := conn.WaitForNotification(ctx)
	check(err)
	r.note("notification", news.Payload)

	// A context that ends closes the connection, and the driver cancels what ran on it.
	other, err := pgx.ConnectConfig(ctx, config.Copy())
	check(err)
	limited, stop := context.WithTimeout(ctx, 300*time.Millisecond)
	defer stop()
	_, err = other.Exec(limited, "SELECT pg_sleep(60)")
	r.note("time limit", errors.Is(err, context.DeadlineExceeded) || pgconn.Timeout(err))
	r.note("closed", other.IsClosed())
	r.note("cancel", conn.PgConn().CancelRequest(ctx) == nil)
	r.ask("usable", conn, "SELECT code FROM items WHERE id = 1")
}

func pooled(r *record, url string, change func(*pgx.ConnConfig)) {
	config, err := pgxpool.ParseConfig(url)
	check(err)
	change(config.ConnConfig)
	config.MaxConns = 3
	pool, err := pgxpool.ConnectConfig(ctx, config)
	check(err)
	defer pool.Close()
	found := make([]string, 40)
	var all sync.WaitGroup
	for index := range found {
		all.Add(1)
		go func(index int) {
			defer all.Done()
			check(pool.QueryRow(ctx, "SELECT t FROM items WHERE code = $1", name(index%10)).Scan(&found[index]))
		}(index)
	}
	all.Wait()
	r.note("pool", found)
}

func scenario(url string, change func(*pgx.ConnConfig)) *record {
	r := &record{}
	config, err := pgx.ParseConfig(url)
	check(err)
	change(config)
	conn, err := pgx.ConnectConfig(ctx, config)
	check(err)
	_, err = conn.Exec(ctx, "TRUNCATE items, orders RESTART IDENTITY")
	check(err)
	statements(r, conn)
	failures(r, conn)
	batches(r, conn)
	copying(r, conn)
	waiting(r, conn, config)
	check(conn.Close(ctx))
	pooled(r, url, change)
	return r
}

func main() {
	plain := os.Getenv("SEALWIRE_PLAIN_URL")
	proxy := os.Getenv("SEALWIRE_PROXY_URL")
	secured := proxy + "?sslmode=verify-full&sslrootcert=" + os.Getenv("SEALWIRE_PROXY_CA")
	checks, differences := 0, 0
	for way, change := range map[string]func(*pgx.ConnConfig){
		"prepared": func(*pgx.ConnConfig) {},
		"simple":   func(config *pgx.ConnConfig) { config.PreferSimpleProtocol = true },
		"no cache": func(config *pgx.ConnConfig) { config.BuildStatementCache = nil },
	} {
		expected := scenario(plain, change)
		for _, url := range []string{proxy, secured} {
			found := scenario(url, change)
			if len(found.entries) != len(expected.entries) {
				panic("another number of entries")
			}
			for index, want := range expected.entries {
				checks++
				if found.entries[index] != want {
					differences++
					fmt.Fprintf(os.Stderr, "%s: %v\n  proxy: %v\n", way, want, found.entries[index])
				}
			}
		}
	}
	if differences > 0 || checks == 0 {
		os.Exit(1)
	}
	fmt.Println("checks:", checks)
}
