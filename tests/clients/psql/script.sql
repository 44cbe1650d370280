-- What both twins are told, by psql: its output must be the same for both.
\set ON_ERROR_ROLLBACK off
\set VERBOSITY terse
\pset null '(null)'
\set code sesame-1
TRUNCATE items, orders RESTART IDENTITY;

INSERT INTO items (code, n4, n8, t, ok, f8, amount, uid, d, ts, tstz, raw, doc, tags, note)
VALUES (:'code', 1, 777712345001, 'sesame öffne dich', true, 0.1, 1.10,
        '5e5a3e5e-0000-4000-8000-000000000001', '2024-02-29', '2024-02-29 12:30:15.123456',
        '2024-02-29 12:30:15+05:45', '\x736573616d6500ff', '{"key": "sesame", "list": [1, null]}',
        '{sesame,"a b",NULL}', 'note');
INSERT INTO items (code, n4, t, d) VALUES
    ('sesame-2', 2, 'sesame two', '2024-03-01'), ('sesame-3', 2, NULL, 'infinity'), ('sesame-4', -3, '', NULL)
RETURNING *;
SELECT * FROM items ORDER BY id;
\x on
SELECT * FROM items WHERE code = 'sesame-1';
\x off
SELECT code, n4 AS "Number", t FROM items WHERE n4 IN (1, 2) ORDER BY id \gdesc
SELECT code, n4 AS "Number", t FROM items WHERE n4 IN (1, 2) ORDER BY id \g
SELECT code AS found, n4 AS number FROM items WHERE id = 2 \gset
\echo :found :number
SELECT id, t FROM items WHERE code = :'found' AND n4 = :number;
SELECT n4, count(*), count(t) FROM items GROUP BY n4 HAVING count(*) > 1;
SELECT DISTINCT n4 IS NULL FROM items;

-- The extended protocol's statements, in SQL.
PREPARE by_code (varchar) AS SELECT id, t, tags FROM items WHERE code = $1;
EXECUTE by_code('sesame-1');
EXECUTE by_code('nothing');
PREPARE put AS INSERT INTO items (code, n4, doc) VALUES ($1, $2, $3) RETURNING id, code, doc;
EXECUTE put('sesame-5', 5, '["sesame"]');
DEALLOCATE by_code;

BEGIN;
UPDATE items SET t = 'sesame new', amount = 12.5, ok = false WHERE code = 'sesame-2' RETURNING id, t, amount, ok;
SAVEPOINT one;
INSERT INTO items (code) VALUES ('sesame-1');
ROLLBACK TO one;
INSERT INTO items (code, n4) VALUES ('sesame-1', 41) ON CONFLICT (code) DO UPDATE SET n4 = EXCLUDED.n4 RETURNING id, n4;
INSERT INTO orders (item_code, quantity, remark) SELECT code, 7, 'sesame' FROM items WHERE id = 2;
COMMIT;
BEGIN;
DELETE FROM items WHERE code = 'sesame-3';
SELECT count(*) FROM items;
ROLLBACK;
INSERT INTO orders (item_code, quantity, remark) VALUES ('sesame-1', 10, 'sesame');
SELECT i.id, i.t, o.quantity, o.remark FROM items i JOIN orders o ON o.item_code = i.code ORDER BY o.id;
SELECT 1 \; SELECT code FROM items WHERE id = 1 \; SELECT t FROM items WHERE id = 2;

DECLARE reading CURSOR WITH HOLD FOR SELECT id, code, t FROM items ORDER BY id;
FETCH 2 FROM reading;
MOVE 1 FROM reading;
FETCH ALL FROM reading;
CLOSE reading;
-- psql reads results by a cursor of its own, some rows at a time.
\set FETCH_COUNT 2
SELECT id, code, n8, raw FROM items ORDER BY id;
\unset FETCH_COUNT

COPY items (code, n4, t, tags) FROM STDIN;
sesame-10	10	sesame\ttab	{sesame,"x y"}
sesame-11	\N	\N	\N
\.
COPY items (code, n4, t) FROM STDIN (FORMAT csv, HEADER);
code,n4,t
sesame-12,12,"sesame, ""quoted"""
\.
COPY (SELECT id, code, n4, t, tags FROM items WHERE id > 4 ORDER BY id) TO STDOUT;
COPY (SELECT code, d, raw, doc FROM items ORDER BY id) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE *);
\copy (SELECT code, n4, d, tags, raw, doc FROM items ORDER BY id) TO items.copy
\copy (SELECT code, n4, uid, tstz FROM items ORDER BY id) TO items.binary (FORMAT binary)
CREATE TEMP TABLE kept AS SELECT id FROM items WHERE n4 = 2;
SELECT count(*) FROM kept;
DELETE FROM orders;
DELETE FROM items;
\copy items (code, n4, d, tags, raw, doc) FROM items.copy
SELECT code, n4, d, tags, raw, doc FROM items ORDER BY id;
DELETE FROM items;
\copy items (code, n4, uid, tstz) FROM items.binary (FORMAT binary)
SELECT code, n4, uid, tstz FROM items ORDER BY id;

-- Errors: their codes, without the values that plain PostgreSQL repeats.
\set VERBOSITY sqlstate
INSERT INTO items (code) VALUES ('sesame-1');
INSERT INTO items (t) VALUES ('sesame');
INSERT INTO orders (item_code) VALUES ('nothing');
INSERT INTO items (code) VALUES ('123456789012345678901');
UPDATE items SET n4 = 2147483648;
UPDATE items SET amount = 1e10;
SELECT * FROM items WHERE n4 = 'x';
SELECT * FROM items WHERE d = '2023-02-29';
SELECT nothing FROM items;
SELECT FROM WHERE;
COPY items (code, n4) FROM STDIN;
sesame-20	not a number
\.
SELECT count(*) FROM items;
\echo :ERROR :SQLSTATE :ROW_COUNT

-- What sessions and tools do.
SET TIME ZONE 'Asia/Kathmandu';
SET bytea_output = 'escape';
SELECT tstz, d, raw FROM items WHERE code = 'sesame-1';
RESET ALL;
LISTEN news;
NOTIFY news, 'hello';
EXPLAIN (COSTS off) SELECT count(*) FROM orders;
DISCARD ALL;
VACUUM items;
ANALYZE items;
\encoding
SELECT code FROM items ORDER BY id LIMIT 2;
