CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (1000);
CREATE TABLE kid (extra text) INHERITS (people);
CREATE VIEW v_plain AS SELECT id, email AS mail, note AS memo, name FROM people;
CREATE VIEW v_nested AS SELECT mail AS id, id AS mail, memo AS "Mixed Case" FROM v_plain;
CREATE VIEW v_check AS SELECT id, email, name FROM people WHERE id < 100 WITH CASCADED CHECK OPTION;
CREATE VIEW v_checked_on_cell AS SELECT id, email, note FROM people WHERE email IS NOT NULL WITH LOCAL CHECK OPTION;
CREATE VIEW v_barrier WITH (security_barrier) AS SELECT * FROM people WHERE name = 'n1';
CREATE VIEW v_union AS SELECT id, email FROM people UNION ALL SELECT id, mail FROM orders;
CREATE VIEW v_union_null AS SELECT id, NULL AS email FROM log UNION ALL SELECT id, email FROM people;
CREATE VIEW v_choice AS SELECT p.id, coalesce(o.mail, p.email) AS email, CASE WHEN p.id = 1 THEN p.email END AS one FROM people p LEFT JOIN orders o ON o.person = p.id;
CREATE VIEW v_swap AS SELECT id, note AS name, name AS email, email AS note FROM people;
CREATE VIEW v_with AS WITH w (a, b) AS (SELECT id, email FROM people) SELECT b AS a, a AS b FROM w;
CREATE VIEW v_lateral AS SELECT o.id, s.e FROM orders o, LATERAL (SELECT email AS e FROM people p WHERE p.id = o.person) s;
CREATE VIEW v_group AS SELECT email, count(*) AS n FROM people GROUP BY email;
CREATE VIEW v_window AS SELECT id, lag(email) OVER (ORDER BY id) AS before FROM people;
CREATE VIEW v_using AS SELECT * FROM (SELECT id, email FROM people) p JOIN (SELECT mail AS email, qty FROM orders) o USING (email);
CREATE VIEW v_array AS SELECT array_agg(email) AS emails FROM people;
CREATE VIEW v_row AS SELECT p AS r, p.id FROM people p;
CREATE VIEW v_test AS SELECT id, email IS NULL AS missing, email = mail AS same FROM people JOIN orders USING (id);
CREATE VIEW v_scalar AS SELECT id, (SELECT email FROM people p WHERE p.id = log.id) AS entry FROM log;
CREATE MATERIALIZED VIEW m_people AS SELECT id, email AS e FROM people;
CREATE VIEW v_default AS SELECT id, email, name FROM people;
CREATE FUNCTION all_people() RETURNS SETOF people LANGUAGE sql STABLE AS 'SELECT * FROM people';
CREATE FUNCTION people_rows(OUT id int8, OUT email text) RETURNS SETOF record LANGUAGE sql AS $$SELECT 1::int8, 'plain'$$;
CREATE PROCEDURE nothing(a text) LANGUAGE sql AS $$SELECT 1$$;

-- The statements.
-- simple select: target list
SELECT email = {m}, {m} = email, email <> {m}, (email = {m}) IS TRUE FROM people

SELECT ALL id FROM people WHERE email = {m}

SELECT DISTINCT email = {m} FROM people

SELECT DISTINCT ON (email = {m}) id FROM people ORDER BY email = {m}, id

SELECT id, email = {m} AS found FROM people ORDER BY found, id

SELECT email = {m} AS found, count(*) FROM people GROUP BY found

SELECT email = {m}, count(*) FROM people GROUP BY 1

SELECT email = {m}, count(*) FROM people GROUP BY email = {m}

SELECT count(*) FROM people GROUP BY GROUPING SETS ((email = {m}), (id), ())

SELECT email, id, count(*) FROM people GROUP BY CUBE (email, id) HAVING email = {m} OR grouping(email) = 1

SELECT email, count(*) FROM people GROUP BY DISTINCT ROLLUP (email), CUBE (email) HAVING NOT email = {m}

SELECT email FROM people GROUP BY email HAVING bool_or(email = {m})

SELECT email FROM people GROUP BY email HAVING min(id) FILTER (WHERE email = {m}) = 1

SELECT id FROM people ORDER BY email = {m} USING <

SELECT id FROM people ORDER BY email USING <

SELECT id FROM people ORDER BY (email = {m}) DESC NULLS LAST, id

SELECT id FROM people ORDER BY CASE WHEN email = {m} THEN 0 ELSE 1 END, id

SELECT id FROM people ORDER BY id LIMIT (SELECT count(*) FROM people WHERE email = {m})

SELECT id FROM people ORDER BY id OFFSET (SELECT count(*) FROM people WHERE email = {m})

SELECT id FROM people ORDER BY id FETCH FIRST (SELECT count(*) FROM people WHERE email = {m}) ROWS WITH TIES

SELECT id FROM people WHERE email = {m} FOR NO KEY UPDATE OF people NOWAIT

SELECT id FROM people p WHERE email = {m} FOR SHARE OF p SKIP LOCKED

SELECT id FROM people TABLESAMPLE bernoulli (100) REPEATABLE (1) WHERE email = {m}

SELECT id FROM ONLY people WHERE email = {m}

SELECT id FROM ONLY (people) AS p WHERE p.email = {m}

SELECT id FROM people * WHERE email = {m}

SELECT sum(1) FILTER (WHERE email = {m}) OVER (PARTITION BY email ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM people

SELECT count(*) OVER w FROM people WINDOW w AS (PARTITION BY email = {m} ORDER BY id)

SELECT count(*) OVER (w ORDER BY id) FROM people WINDOW w AS (PARTITION BY email), x AS (ORDER BY email = {m})

SELECT id, lag(email, 1, {m}) OVER (ORDER BY id) FROM people

SELECT id, lead(note, 1, {m}) OVER (ORDER BY id) FROM people

SELECT id, nth_value(email, 1) OVER (ORDER BY id) = {m} FROM people

SELECT id, first_value(email) OVER (ORDER BY email = {m}, id) FROM people

SELECT any_value(email) = {m} FROM people

-- expressions
SELECT id FROM people WHERE email = {m} IS NOT TRUE

SELECT id FROM people WHERE (email = {m}) IS UNKNOWN

SELECT id FROM people WHERE (email = {m}) IS DISTINCT FROM true

SELECT id FROM people WHERE (email, id) IS DISTINCT FROM ({m}, 1)

SELECT id FROM people WHERE ROW(email, phone) IS NOT DISTINCT FROM ROW({m}, '1')

SELECT id FROM people WHERE (email, id) <> ({m}, 1)

SELECT id FROM people WHERE (email, id) < ({m}, 1)

SELECT id FROM people WHERE (id, email) >= (1, {m})

SELECT id FROM people WHERE ROW(email, id) *= ROW({m}::text, 1::int8)

SELECT id FROM people WHERE ROW(email, id) OPERATOR(pg_catalog.=) ROW({m}, 1)

SELECT id FROM people WHERE (email, id) = ANY (SELECT {m}, 1)

SELECT id FROM people WHERE (email, id) = SOME (VALUES ({m}, 1), ('b', 2))

SELECT id FROM people WHERE (email, id) NOT IN (SELECT {m}, 1)

SELECT id FROM people WHERE (email, id) <> ALL (SELECT {m}, 1)

SELECT id FROM people WHERE (email, id) > ALL (SELECT {m}, 1)

SELECT id FROM people WHERE (email, id) = (SELECT {m}, 1)

SELECT id FROM people WHERE ROW(email) = (SELECT {m})

SELECT id FROM people WHERE ((email, 1), id) = (({m}, 1), 1)

SELECT id FROM people WHERE (email, ROW(phone, age)) = ({m}, ROW('1', 2))

SELECT id FROM people WHERE (SELECT {m}) = email

SELECT id FROM people WHERE (VALUES ({m})) = email

SELECT id FROM people WHERE email = (WITH w AS (SELECT {m} AS x) SELECT x FROM w)

SELECT id FROM people WHERE email = (SELECT x FROM (SELECT {m}) AS s (x))

SELECT id FROM people WHERE email = (SELECT max(x) FROM (VALUES ({m})) AS s (x))

SELECT id FROM people WHERE email = (SELECT x FROM (VALUES ({m})) AS s (x) GROUP BY x)

SELECT id FROM people WHERE email = (SELECT DISTINCT x FROM (VALUES ({m})) AS s (x))

SELECT id FROM people WHERE email = (SELECT any_value(x) FROM (VALUES ({m})) AS s (x))

SELECT id FROM people WHERE email = (SELECT x FROM (VALUES ({m})) AS s (x) ORDER BY x)

SELECT id FROM people WHERE email = (SELECT x FROM (VALUES ({m})) AS s (x) WHERE x = {m})

SELECT id FROM people WHERE email = (SELECT x FROM (VALUES ({m})) AS s (x) WHERE x LIKE 'z%')

SELECT id FROM people WHERE email IN (SELECT {m} UNION SELECT 'b' INTERSECT SELECT {m})

SELECT id FROM people WHERE email IN ({m}, (SELECT {m}), NULL, coalesce({m}, 'x'))

SELECT id FROM people WHERE {m} IN (email, phone)

SELECT id FROM people WHERE {m} IN (email, 'b')

SELECT id FROM people WHERE {m} NOT IN (SELECT email FROM people WHERE email IS NOT NULL)

SELECT id FROM people WHERE {m} = ANY (ARRAY(SELECT email FROM people))

SELECT id FROM people WHERE {m} = ANY (ARRAY[email])

SELECT {m} = ANY (array_agg(email)) FROM people

SELECT {m} = ALL ((SELECT array_agg(email) FROM people)::text[])

SELECT id FROM people WHERE email = ANY ('{"{M}",b}')

SELECT id FROM people WHERE email = ANY ('{"{M}",b}'::text[])

SELECT id FROM people WHERE email = ANY (CAST('{"{M}",b}' AS text ARRAY))

SELECT id FROM people WHERE email = ANY (ARRAY[[{m}], ['b']])

SELECT id FROM people WHERE email = ANY (ARRAY[{m}] || ARRAY['b'])

SELECT id FROM people WHERE email = ANY (string_to_array({m}, ','))

SELECT id FROM people WHERE email = ANY (array_remove(ARRAY[{m}], NULL))

SELECT id FROM people WHERE email = ANY (CASE WHEN id = 1 THEN ARRAY[{m}] ELSE ARRAY['b'] END)

SELECT id FROM people WHERE email = ANY (coalesce(ARRAY[{m}], NULL))

SELECT id FROM people WHERE email = ANY ((SELECT ARRAY[{m}])::text[])

SELECT id FROM people WHERE email = (ARRAY[{m}])[1]

SELECT id FROM people WHERE email = ('{"{M}"}'::text[])[1]

SELECT id FROM people WHERE (ARRAY[email])[1] = {m}

SELECT id FROM people WHERE ARRAY[email] = ARRAY[{m}]

SELECT id FROM people WHERE ARRAY[email, phone] = ARRAY[{m}, '1']

SELECT id FROM people WHERE ARRAY[email] <> '{"{M}"}'

SELECT id FROM people WHERE ARRAY[email] @> ARRAY[{m}]

SELECT id FROM people WHERE ARRAY[email] && ARRAY[{m}]

SELECT id FROM people WHERE ARRAY[email] IS DISTINCT FROM ARRAY[{m}]

SELECT id FROM people WHERE array_position(ARRAY[email], {m}) = 1

SELECT id FROM people WHERE email BETWEEN SYMMETRIC {m} AND {m}

SELECT id FROM people WHERE {m} BETWEEN email AND email

SELECT id FROM people WHERE email NOT LIKE {m} ESCAPE 'x'

SELECT id FROM people WHERE email SIMILAR TO {m} ESCAPE 'x'

SELECT id FROM people WHERE email ~~ ANY (ARRAY[{m}])

SELECT id FROM people WHERE {m} ~* email

SELECT id FROM people WHERE email !~~ {m}

SELECT id FROM people WHERE starts_with(email, {m})

SELECT id FROM people WHERE email ^@ {m}

SELECT id FROM people WHERE email IS NORMALIZED AND email = {m}

SELECT id FROM people WHERE NULLIF({m}, email) IS NULL

SELECT NULLIF(NULLIF(email, {m}), 'b') FROM people

SELECT id FROM people WHERE NULLIF({m}, phone) = email

SELECT id FROM people WHERE NULLIF({m}, 'x') = email

SELECT id FROM people WHERE NULLIF(coalesce(email, {m}), {m}) IS NULL

SELECT CASE WHEN id = 1 THEN {m} ELSE email END FROM people

SELECT CASE {m} WHEN email THEN 1 WHEN phone THEN 2 END FROM people

SELECT CASE {m} WHEN email THEN 1 END FROM people

SELECT CASE email WHEN {m} THEN note WHEN 'b' THEN {m} ELSE 'c' END FROM people

SELECT CASE (email, id) WHEN ({m}, 1) THEN 1 END FROM people

SELECT CASE WHEN CASE WHEN email = {m} THEN id = 1 END THEN {m} END = email FROM people

SELECT COALESCE(NULL, {m}, email) FROM people

SELECT COALESCE(note, {m}), COALESCE({m}, note) FROM people

SELECT GREATEST(email, {m}), LEAST({m}, note) FROM people

SELECT email = COALESCE(CASE WHEN id > 1 THEN NULLIF({m}, 'x') END, (SELECT {m})) FROM people

SELECT email = {m} COLLATE "C" FROM people

SELECT email COLLATE "C" = {m} FROM people

SELECT (email = {m}) COLLATE "C" FROM people

SELECT born = {d} AT TIME ZONE 'UTC' FROM people

SELECT born AT TIME ZONE {m} FROM people

SELECT id FROM typed WHERE day = DATE {d}

SELECT id FROM typed WHERE day = {d}::date AND at = {d}::timestamptz

SELECT id FROM typed WHERE day = CAST({d} AS timestamp)

SELECT id FROM typed WHERE day = {d}::date + 1

SELECT id FROM typed WHERE day - {d}::date = 0

SELECT id FROM typed WHERE (day, day) OVERLAPS ({d}, {d})

SELECT extract(year FROM day) FROM typed WHERE day = {d}

SELECT id FROM typed WHERE date_trunc('day', at) = {d}

SELECT id FROM typed WHERE at = {d} AT TIME ZONE 'UTC'

SELECT id FROM typed WHERE uid = {u} OR uid = {u}::uuid OR uid = uuid {u}

SELECT id FROM typed WHERE uid IN ({u}, {u})

SELECT id FROM typed WHERE tags = '{"{M}"}' OR tags = '{"{M}"}'::text[]

SELECT id FROM typed WHERE tags = ARRAY[{m}]

SELECT id FROM typed WHERE {m} = ANY (tags)

SELECT id FROM typed WHERE tags[1] = {m}

SELECT id FROM typed WHERE tags @> '{"{M}"}'

SELECT id FROM typed WHERE tags || {m} = tags

SELECT unnest(tags) = {m} FROM typed

SELECT id FROM typed, unnest(tags) AS t WHERE t = {m}

SELECT id FROM typed WHERE tags IN ('{"{M}"}', '{a}')

SELECT id FROM typed WHERE tags = ANY (ARRAY['{"{M}"}'])

SELECT id FROM typed WHERE ages = '{731905201}'

SELECT id FROM typed WHERE 731905201 = ANY (ages)

SELECT id FROM typed WHERE secrets = '{"{M}"}'

SELECT id FROM typed WHERE num = {n} OR num = {n}.00 OR num = +{n} OR num = -{n}

SELECT id FROM typed WHERE num = -({n})

SELECT id FROM typed WHERE num = - {n}

SELECT id FROM typed WHERE num = @ {n}

SELECT id FROM typed WHERE num = {n}e0

SELECT id FROM people WHERE age = int4 '{n}'

SELECT id FROM people WHERE age + 1 = {n}

SELECT id FROM people WHERE age = {n} + 0

SELECT id FROM people WHERE age = abs({n})

SELECT id FROM people WHERE age IN ({n}, 5, '{n}')

SELECT id FROM typed WHERE pad = {m} OR pad = {m}::char(16) OR pad = {m}::text

SELECT id FROM typed WHERE span = daterange({d}, NULL)

SELECT id FROM typed WHERE span = '[{d},)'

SELECT id FROM typed WHERE span @> {d}::date

SELECT id FROM typed WHERE lower(span) = {d}

SELECT id FROM typed WHERE doc = '{"a": "{M}"}'

SELECT id FROM typed WHERE doc ->> 'a' = {m}

SELECT id FROM typed WHERE doc @> '{"a": "{M}"}'

SELECT id FROM typed WHERE doc['a'] = '"{M}"'

SELECT id FROM typed WHERE doc @? '$ ? (@ == "{M}")'

-- names
SELECT (people).id FROM people WHERE (people).email = {m}

SELECT id FROM people p WHERE (p).email = {m} AND (p.email) = {m}

SELECT id FROM people WHERE (public.people).email = {m}

SELECT id FROM people WHERE ((people)).email = {m}

SELECT id FROM people WHERE (people.*).email = {m}

SELECT id FROM people WHERE (ROW(people.*)::people).email = {m}

SELECT id FROM people WHERE (SELECT p FROM people p WHERE p.id = 1) = people

SELECT id FROM people WHERE (SELECT p FROM people p WHERE p.id = 1).email = {m}

SELECT id FROM people WHERE people = ROW(1, {m}, NULL, NULL, NULL, NULL, NULL)

SELECT id FROM people WHERE people.* = ROW(1, {m}, NULL, NULL, NULL, NULL, NULL)

SELECT id FROM people WHERE people.* IS NOT DISTINCT FROM ROW(1, {m}, NULL, NULL, NULL, NULL, NULL)::people

SELECT id FROM people WHERE people IN (ROW(1, {m}, NULL, NULL, NULL, NULL, NULL))

SELECT id FROM people WHERE people = '(1,{M},,,,,)'

SELECT id FROM people WHERE people = '(1,{M},,,,,)'::people

SELECT id FROM people WHERE people.*::text LIKE '%{M}%'

SELECT id FROM people WHERE email(people.*) = {m}

SELECT id FROM people WHERE people.email = {m} AND public.people.email = {m}

SELECT p.id FROM people AS p, LATERAL (SELECT (p).email AS e) s WHERE s.e = {m}

SELECT p.id FROM people AS p (email, id) WHERE p.id = {m}

SELECT p.id FROM people AS p (email, id) WHERE p.email = 1 AND p.id = {m}

SELECT p.a FROM (people JOIN orders USING (id)) AS p (a, b) WHERE p.b = {m}

SELECT j.id FROM people JOIN orders USING (id) AS j WHERE email = {m} AND mail = {m}

SELECT id FROM (SELECT id, email AS name, name AS email FROM people) s WHERE name = {m} AND email = 'n1'

SELECT id FROM (SELECT id, email AS "E Mail" FROM people) s WHERE "E Mail" = {m}

SELECT id FROM (SELECT id, email AS U&"\0065" FROM people) s WHERE e = {m}

SELECT id FROM (SELECT id, email AS select FROM people) s WHERE s.select = {m}

SELECT id FROM U&"pe!006fple" UESCAPE '!' WHERE U&"em!0061il" UESCAPE '!' = {m}

SELECT id FROM "people" /* /* nested */ people.email = */ WHERE -- email
  email /* = */ = /* 'x' */ {m}

SELECT id FROM people WHERE email = e'zqxm\x61rker-g' OR email = E'\172qxmarker-g' OR email = E'zqxm\u0061rker-g'

SELECT id FROM people WHERE email = 'zqx'
  'marker-g'

SELECT id FROM people WHERE email = E'zqx' -- between
  'marker-g'

SELECT id FROM people WHERE email = U&'\007aqxm\+000061rker-g'

SELECT id FROM people WHERE email = U&'zqxmarker-g' 'x'

SELECT id FROM people WHERE email = $q$zqxmarker-g$q$ AND name = $$n1$$

SELECT id FROM people WHERE email = N'zqxmarker-g'

SELECT id FROM people WHERE email = n'zqxmarker-g'::text

SELECT id FROM people WHERE email = X'7a' OR email = B'0'

SELECT id FROM people WHERE email::text = {m}

SELECT id FROM people WHERE text(email) = {m}

SELECT id FROM people WHERE email = text({m})

SELECT id FROM people WHERE email = pg_catalog.text {m}

SELECT id FROM people WHERE email = pg_catalog.varchar({m})

SELECT id FROM people WHERE email = {m}::pg_catalog.text

SELECT id FROM people WHERE email = {m}::text::varchar::text

SELECT id FROM people WHERE email = {m}::"char"

SELECT id FROM people WHERE email = {m}::sealwire.randomized

SELECT id FROM people WHERE email = (({m})::text)::text

SELECT id FROM people WHERE email = CAST({m} AS character varying)

SELECT id FROM people WHERE email = CAST((SELECT {m}) AS text)

SELECT id FROM people WHERE email = (SELECT {m}::text)

SELECT id FROM people WHERE email = CAST(CASE WHEN true THEN {m} END AS text)

SELECT id FROM people WHERE phone = {m} OR phone = {m}::varchar(12) OR phone = {m}::varchar(4)

-- functions by every spelling
SELECT pg_catalog.count(email) FILTER (WHERE email = {m}) FROM people

SELECT pg_catalog.array_agg(email ORDER BY email = {m}) FROM people

SELECT array_agg(ALL email), array_agg(DISTINCT email) FROM people WHERE email = {m}

SELECT array_agg(coalesce(email, {m})) FROM people

SELECT array_agg(email) || {m} FROM people

SELECT array_append(array_agg(email), {m}) FROM people

SELECT mode() WITHIN GROUP (ORDER BY email) = {m} FROM people

SELECT rank({m}) WITHIN GROUP (ORDER BY email) FROM people

SELECT concat_ws(',', VARIADIC ARRAY[email, {m}]) FROM people

SELECT format('%s', email) = {m} FROM people

SELECT md5(email::text) = md5({m}) FROM people

SELECT hashtext(email::text) = hashtext({m}) FROM people

SELECT substring(email from 1 for 2) = {m} FROM people

SELECT overlay(email placing {m} from 1), trim(both {m} from email), position({m} in email) FROM people

SELECT texteq(email, {m}), byteaeq(email, {m}) FROM people

SELECT pg_catalog.byteaeq(email, {m}) FROM people

SELECT num_nonnulls(email, {m}), num_nulls(VARIADIC ARRAY[email, {m}]) FROM people

SELECT to_jsonb(email), to_json(p) FROM people p WHERE email = {m}

SELECT row_to_json(people), to_jsonb(p.*), hstore(p) FROM people p WHERE p.email = {m}

SELECT json_agg(p) FROM people p WHERE p.email = {m}

SELECT json_object_agg(id, email) FROM people WHERE email = {m}

SELECT jsonb_build_object({m}, email) FROM people

SELECT json_object('e': email, 'm': {m}) FROM people

SELECT json_object('m': {m}) = email FROM people

SELECT json_array(email, {m}) FROM people

SELECT json_array(SELECT email FROM people WHERE email = {m})

SELECT json_arrayagg(email) FROM people WHERE email = {m}

SELECT json_scalar(email), json({m}) FROM people

SELECT json_value(doc, '$.a' DEFAULT {m} ON EMPTY) = mail FROM orders

SELECT json_exists(doc, '$ ? (@ == $x)' PASSING mail AS x) FROM orders WHERE mail = {m}

SELECT o.id FROM orders o, json_table(doc, '$' COLUMNS (x text PATH '$.a' DEFAULT {m} ON EMPTY)) j WHERE j.x = o.mail

SELECT o.id FROM orders o, json_table(o.mail, '$' COLUMNS (x text PATH '$.a')) j WHERE j.x = {m}

SELECT xmlelement(name e, xmlattributes(email AS a), {m}) FROM people

SELECT xmlconcat(xmlparse(content {m})), xmlforest(email) FROM people

SELECT xmlexists('//a' PASSING xmlelement(name e, email)) FROM people WHERE email = {m}

SELECT id FROM people, xmltable('/r' PASSING xmlelement(name r, {m}) COLUMNS x text PATH '.') x WHERE x.x = email

SELECT xmlserialize(content xmlelement(name e, email) AS text) = {m} FROM people

SELECT email IS DOCUMENT FROM people WHERE email = {m}

-- FROM items
SELECT id FROM people, (VALUES ({m}), ('b')) AS v (e) WHERE v.e = email

SELECT id FROM people CROSS JOIN (SELECT {m}) AS s (e) WHERE e = email

SELECT p.id FROM people p LEFT JOIN LATERAL (SELECT {m} AS e) s ON s.e = p.email

SELECT p.id FROM people p RIGHT JOIN (SELECT {m} AS email) s USING (email)

SELECT email FROM people p FULL JOIN (SELECT {m} AS email) s USING (email)

SELECT email FROM people NATURAL FULL JOIN (SELECT {m} AS email) s

SELECT u.email = {m} FROM people JOIN (SELECT mail AS email FROM orders) o USING (email) AS u

SELECT p.id FROM people p JOIN orders o ON p.email = o.mail AND o.mail = {m} AND p.age = o.qty

SELECT p.id FROM people p JOIN orders o ON coalesce(p.email, {m}) = o.mail

SELECT p.id FROM people p JOIN (orders o JOIN log l ON o.mail = {m}) ON p.id = o.id

SELECT id FROM people, unnest(ARRAY[{m}, 'b']) AS e WHERE e = email

SELECT id FROM people, unnest('{"{M}",b}'::text[]) AS e WHERE e = email

SELECT id FROM people, unnest(ARRAY[{m}]) WITH ORDINALITY AS u (e, n) WHERE u.e = email

SELECT id FROM people, ROWS FROM (unnest(ARRAY[{m}]), generate_series(1, 2)) AS u (e, n) WHERE u.e = email

SELECT id FROM people, ROWS FROM (json_to_record('{"a":"{M}"}') AS (a text)) AS j WHERE j.a = email

SELECT id FROM people, json_to_recordset('[{"e":"{M}"}]') AS j (e text) WHERE j.e = email

SELECT id FROM people, regexp_split_to_table({m}, ',') AS e WHERE e = email

SELECT id FROM people, string_to_table({m}, ',') e WHERE e = email

SELECT id FROM people, jsonb_array_elements_text('["{M}"]') AS e WHERE e.value = email

SELECT id FROM people, json_populate_recordset(NULL::people, '[{"email":"{M}"}]') AS j WHERE j.email = people.email

SELECT id FROM people, generate_series(1, 2) AS email (x) WHERE email.x = id AND people.email = {m}

SELECT id FROM people, unnest(ARRAY(SELECT email FROM people)) AS e WHERE e = {m}

SELECT id FROM people, LATERAL unnest(ARRAY[email, phone]) AS e WHERE e = {m}

SELECT id FROM people, LATERAL unnest(ARRAY[email, {m}]) AS e WHERE e = {m}

SELECT e FROM people, LATERAL (VALUES (email), ({m})) AS v (e)

SELECT e FROM people, LATERAL (SELECT email UNION ALL SELECT {m}) AS v (e) WHERE e = {m}

SELECT id FROM people, all_people() AS a WHERE a.id = people.id AND a.email = {m}

SELECT a.email FROM all_people() AS a JOIN people p USING (id) WHERE p.email = {m}

SELECT (all_people()).email = {m} FROM people

SELECT id FROM people p, people_rows() r WHERE p.id = r.id AND r.email = {m}

-- views
SELECT id FROM v_plain WHERE mail = {m}

SELECT v.id FROM v_plain AS v WHERE v.memo = {m}

SELECT v.* FROM v_nested v WHERE v.id = {m}

SELECT "Mixed Case" FROM v_nested WHERE id = {m} AND mail = 1

SELECT id FROM v_nested WHERE "Mixed Case" = {m}

SELECT * FROM v_check WHERE email = {m}

SELECT * FROM v_barrier WHERE email = {m}

SELECT * FROM v_union WHERE email = {m}

SELECT * FROM v_union_null WHERE email = {m}

SELECT * FROM v_choice WHERE email = {m} OR one = {m}

SELECT name FROM v_swap WHERE note = {m} AND email = 'n1'

SELECT id FROM v_swap WHERE name = {m}

SELECT * FROM v_with WHERE a = {m}

SELECT * FROM v_lateral WHERE e = {m}

SELECT * FROM v_group WHERE email = {m}

SELECT * FROM v_window WHERE before = {m}

SELECT * FROM v_using WHERE email = {m} AND qty = {n}

SELECT * FROM v_array WHERE emails = ARRAY[{m}]

SELECT * FROM v_array WHERE {m} = ANY (emails)

SELECT id FROM v_row WHERE (r).email = {m}

SELECT id FROM v_row WHERE r = ROW(1, {m}, NULL, NULL, NULL, NULL, NULL)

SELECT id FROM v_row WHERE (v_row.r).email = {m}

SELECT id FROM v_test WHERE missing OR same

SELECT id FROM v_scalar WHERE entry = {m}

SELECT * FROM m_people WHERE e = {m}

SELECT a.id FROM v_plain AS a (x, y) WHERE a.y = {m}

SELECT id FROM kid WHERE email = {m}

SELECT id FROM events_1 WHERE actor = {m}

INSERT INTO v_plain (id, mail, memo) VALUES (50, {w}, {w}) RETURNING mail, memo

INSERT INTO v_plain VALUES (50, {w}, {w}, 'n')

INSERT INTO v_nested (mail, id, "Mixed Case") VALUES (50, {w}, {w}) RETURNING *

INSERT INTO v_check (id, email) VALUES (50, {w})

INSERT INTO v_check (id, email) VALUES (500, {w})

INSERT INTO v_checked_on_cell (id, email, note) VALUES (50, {w}, {w}), (51, NULL, NULL)

INSERT INTO v_swap (id, name, email, note) VALUES (50, {w}, 'n', {w})

UPDATE v_swap SET note = {w}, email = 'plain' WHERE note = {m}

UPDATE v_nested SET id = {w} WHERE id = {m} RETURNING id

UPDATE v_union SET email = {w}

DELETE FROM v_plain WHERE mail = {m} RETURNING *

INSERT INTO kid (id, email, extra) VALUES (50, {w}, 'e') RETURNING *

INSERT INTO kid VALUES (50, {w}, NULL, NULL, {w})

UPDATE kid SET email = {w}, extra = 'x' WHERE note = 'x'

INSERT INTO events (id, actor, payload) VALUES (5, {w}, {w}) RETURNING *

INSERT INTO events_1 VALUES (5, {w}, {w})

UPDATE events_1 SET payload = {w} WHERE actor = {m}

-- WITH
WITH RECURSIVE r (e, n) AS (SELECT {m}, 1 UNION ALL SELECT p.email, n + 1 FROM r JOIN people p ON p.id = n) SELECT * FROM r

WITH RECURSIVE r (e, n) AS (VALUES ({m}, 1) UNION SELECT e, n + 1 FROM r WHERE n < 3) SELECT id FROM people JOIN r ON r.e = email

WITH RECURSIVE r AS (SELECT id, email FROM people UNION ALL SELECT id + 1, {m} FROM r WHERE id < 3) SELECT * FROM r

WITH RECURSIVE r AS (SELECT id, email FROM people UNION ALL SELECT p.id, p.email FROM people p JOIN r ON p.id = r.id + 1) SEARCH BREADTH FIRST BY id SET o SELECT email FROM r WHERE email = {m} ORDER BY o

WITH RECURSIVE r AS (SELECT id, email FROM people UNION ALL SELECT p.id, p.email FROM people p JOIN r ON p.id = r.id + 1) CYCLE id SET c TO {m} DEFAULT 'n' USING path SELECT email FROM r WHERE c = email

WITH RECURSIVE r AS (SELECT id, email FROM people UNION ALL SELECT p.id, p.email FROM people p JOIN r ON p.id = r.id + 1) SEARCH DEPTH FIRST BY email SET o SELECT id FROM r WHERE email = {m}

WITH a AS MATERIALIZED (SELECT {m} AS e), b AS NOT MATERIALIZED (SELECT e FROM a) SELECT id FROM people, b WHERE b.e = email

WITH a AS (SELECT {m} AS e) SELECT id FROM people WHERE email IN (TABLE a)

WITH a (e) AS (VALUES ({m})) SELECT id FROM people WHERE email = (SELECT e FROM a) AND name <> (SELECT e FROM a)

WITH people (email) AS (SELECT {m}) SELECT p.id FROM public.people p, people WHERE p.email = people.email

WITH people AS (SELECT 1) INSERT INTO people (id, email) VALUES (50, {m})

WITH people AS (SELECT {m} AS email, 60 AS id) UPDATE people SET email = p.email FROM people p WHERE people.id = 1

WITH people AS (SELECT 1 AS id, {m} AS email) DELETE FROM people USING people p WHERE people.email = p.email

WITH people AS (SELECT 1 AS id, {m} AS email) MERGE INTO people t USING people s ON t.email = s.email WHEN MATCHED THEN DELETE

WITH w AS (SELECT id FROM (WITH people AS (SELECT 1 AS id, 'x' AS email) SELECT * FROM people) s) SELECT id FROM people WHERE email = {m}

SELECT id FROM (WITH people AS (SELECT 1 AS id) SELECT * FROM people) s UNION ALL SELECT id FROM people WHERE email = {m}

(WITH people AS (SELECT 1 AS id) SELECT id FROM people) UNION ALL SELECT id FROM people WHERE email = {m}

WITH u AS (UPDATE people SET email = {m} WHERE id = 2 RETURNING id, email) SELECT * FROM u WHERE email = {m}

WITH u AS (UPDATE people SET note = {m} RETURNING note AS n), i AS (INSERT INTO orders (id, card) SELECT 70, n FROM u RETURNING card) SELECT * FROM i

WITH d AS (DELETE FROM people RETURNING *), l AS (INSERT INTO log (id, entry) SELECT id, name FROM d WHERE email = {m} RETURNING id) SELECT id FROM l

WITH m AS (MERGE INTO people p USING (SELECT 1 AS i, {m} AS e) s ON p.id = s.i WHEN MATCHED THEN UPDATE SET note = s.e RETURNING p.note) SELECT * FROM m

WITH x AS (INSERT INTO people (id, email) VALUES (50, {m}) ON CONFLICT DO NOTHING RETURNING email) SELECT count(*) FROM x JOIN orders ON mail = x.email

-- set operations
SELECT email FROM people UNION ALL (SELECT {m} ORDER BY 1 LIMIT 1)

(SELECT email FROM people LIMIT 1) EXCEPT ALL SELECT {m}

SELECT {m} AS e UNION ALL SELECT NULL UNION ALL SELECT email FROM people

SELECT NULL UNION ALL SELECT {m} UNION ALL SELECT email FROM people

(SELECT {m} AS e UNION SELECT 'b') INTERSECT ALL SELECT email FROM people

SELECT email, 'p' FROM people UNION ALL SELECT {m}, name FROM people

VALUES ({m}) UNION ALL SELECT email FROM people

VALUES ((SELECT email FROM people WHERE id = 1)), ({m})

VALUES (NULL), ({m}), ((SELECT note FROM people WHERE id = 1))

TABLE people EXCEPT SELECT 1, {m}, NULL, NULL, NULL, NULL, NULL

SELECT {m} UNION SELECT email FROM people ORDER BY 1

SELECT id FROM people WHERE email = {m} UNION SELECT id FROM log WHERE entry = 'e1'

-- INSERT
INSERT INTO people (id, email, note) VALUES (50, {w}, {w}) RETURNING email = {m}, note, people.email

INSERT INTO people AS p (id, email) OVERRIDING USER VALUE VALUES (50, {w}) RETURNING p.*

INSERT INTO people (id, email) VALUES (50, DEFAULT), (51, {w}) RETURNING (people).email

INSERT INTO people (id, email) VALUES (50, ({w})), (51, (({w} || '')))

INSERT INTO people (id, email) VALUES (50, CASE WHEN 'y' = 'x' THEN {w} END)

INSERT INTO people (id, email) VALUES (50, (SELECT e FROM (VALUES ({w})) v (e)))

INSERT INTO people (id, email) VALUES (50, ROW({w}))

INSERT INTO people (id, email) VALUES (50, ARRAY[{w}])

INSERT INTO people (id, email) VALUES (50, array_to_string(ARRAY[{w}], ''))

INSERT INTO people (id, email.x) VALUES (50, {w})

INSERT INTO people (id, email[1]) VALUES (50, {w})

INSERT INTO people (id, email, email) VALUES (50, {w}, 'x')

INSERT INTO people VALUES (50, {w})

INSERT INTO people SELECT (ROW(50, {w}, NULL, NULL, NULL, NULL, NULL)::people).*

INSERT INTO people SELECT * FROM (VALUES (50, {w})) v

INSERT INTO people SELECT * FROM json_to_record('{"a":50,"b":"{M}"}') AS r (a int8, b text)

INSERT INTO people SELECT * FROM json_to_recordset('[{"id":50,"email":"{M}"}]') AS r (id int8, email text)

INSERT INTO people SELECT * FROM json_populate_recordset(NULL::people, '[{"id":50,"email":"{M}"}]')

INSERT INTO people (id, email) SELECT id, email FROM jsonb_to_record('{"id":50,"email":"{M}"}') AS r (id int8, email text)

INSERT INTO people (id, email) SELECT * FROM unnest('{50}'::int8[], '{"{M}"}'::text[])

INSERT INTO people (id, email) SELECT i, unnest(ARRAY[{w}]) FROM generate_series(50, 50) i

INSERT INTO people (id, email) SELECT i, e FROM generate_series(50, 51) AS i, unnest(ARRAY[{w}, NULL]) WITH ORDINALITY AS u (e, n) WHERE n = i - 49

INSERT INTO people (id, email) SELECT x.* FROM xmltable('/r' PASSING xmlelement(name r, {w}) COLUMNS i FOR ORDINALITY, e text PATH '.') x

INSERT INTO people (id, email) SELECT 50, x FROM regexp_split_to_table({w}, 'y') x

INSERT INTO people (id, email, note) SELECT 50, e, e FROM (SELECT {w} AS e) s

INSERT INTO people (id, email, name) SELECT 50, e, e FROM (SELECT {w} AS e) s

INSERT INTO people (id, email) SELECT DISTINCT 50, {w} FROM people

INSERT INTO people (id, email) SELECT 50, {w} FROM people GROUP BY 1, 2

INSERT INTO people (id, email) SELECT 50, {w} ORDER BY 2

INSERT INTO people (id, email) SELECT 50, max({w})

INSERT INTO people (id, email) SELECT id + 50, coalesce(mail, {w}) FROM orders WHERE id = 77

INSERT INTO people (id, email) (VALUES (50, {w}) LIMIT 1)

INSERT INTO people (id, email) VALUES (50, {w}) UNION ALL VALUES (51, NULL)

INSERT INTO people (id, email) WITH w AS (SELECT 50, {w}) SELECT * FROM w

INSERT INTO people (id, email) WITH w (a, b) AS (VALUES (50, {w}) OFFSET 0) TABLE w

INSERT INTO people (id, email) SELECT 50, NULLIF({w}, 'x')

INSERT INTO people (id, email) SELECT 50, (ARRAY[{w}])[1]

INSERT INTO people (id, email) SELECT 50, (SELECT {w} UNION SELECT {w})

INSERT INTO people (id, age) VALUES (50, {n}), (51, '{n}'), (52, {n}.4), (53, {n}::numeric)

INSERT INTO people (id, age) SELECT * FROM (VALUES (50, {n}), (51, {n} + 1)) v

INSERT INTO people (id, age) SELECT i, i + {n} FROM generate_series(50, 51) i

INSERT INTO people (id, age) SELECT i, i FROM generate_series({n}, {n}) i

INSERT INTO people (id, age) VALUES (50, count(*))

INSERT INTO people (id, age) VALUES (50, nextval('s')), (51, {n})

INSERT INTO people (id, born) VALUES (50, {d}), (51, DATE {d}), (52, {d}::timestamp)

INSERT INTO people (id, born) SELECT 50, generate_series({d}::date, {d}::date, '1 day')

INSERT INTO typed (id, tags) VALUES (50, '{"{M}"}'), (51, ARRAY['b']), (52, ARRAY[{w}])

INSERT INTO typed (id, tags[1]) VALUES (50, {w})

INSERT INTO typed (id, tags) SELECT 50, array_agg(x) FROM (VALUES ({w})) v (x)

INSERT INTO typed (id, tags) SELECT 50, ARRAY(SELECT {w})

INSERT INTO typed (id, tags) SELECT 50, string_to_array({w}, ',')

INSERT INTO typed (id, secrets) VALUES (50, '{"{M}"}')

INSERT INTO typed (id, doc) VALUES (50, '{"a":"{M}"}'), (51, json_object('a': {w}))

INSERT INTO typed (id, doc) VALUES (50, jsonb_build_object('a', {w}))

INSERT INTO typed (id, span) VALUES (50, '[{d},)'), (51, daterange({d}, NULL))

INSERT INTO typed (id, uid, day, at, num, pad) VALUES (50, {u}, {d}, {d}, {n}, {w})

INSERT INTO typed (id, net) VALUES (50, {w})

INSERT INTO people (id, email) VALUES (1, {w}) ON CONFLICT DO NOTHING

INSERT INTO people (id, email) VALUES (1, {w}) ON CONFLICT ON CONSTRAINT people_pkey DO UPDATE SET (email, note) = (EXCLUDED.email, {w}) RETURNING email, note

INSERT INTO people (id, email) VALUES (1, {w}) ON CONFLICT (email) WHERE email = {m} DO NOTHING

INSERT INTO people (id, email) VALUES (1, {w}) ON CONFLICT (email) WHERE email IS NOT NULL DO UPDATE SET note = {m}

INSERT INTO people (id, email) VALUES (1, {w}) ON CONFLICT ((email = {w})) DO NOTHING

INSERT INTO people (id, email) VALUES (1, {w}) ON CONFLICT ((lower(email))) DO NOTHING

INSERT INTO people (id, email) VALUES (1, {w}) ON CONFLICT (email COLLATE "C") DO NOTHING

INSERT INTO people (id, email) VALUES (1, 'q') ON CONFLICT (id) DO UPDATE SET email = {w} WHERE EXCLUDED.email = {m} OR people.email <> {m}

INSERT INTO people AS p (id, email) VALUES (1, 'q') ON CONFLICT (id) DO UPDATE SET email = COALESCE(p.email, EXCLUDED.email, {w})

INSERT INTO people AS p (id, email) VALUES (1, 'q') ON CONFLICT (id) DO UPDATE SET (email, note) = (SELECT e, e FROM (VALUES ({w})) v (e))

INSERT INTO people (id, email) VALUES (1, 'q') ON CONFLICT (id) DO UPDATE SET email = (EXCLUDED).email || {w}

INSERT INTO people (id, email) VALUES (1, 'q') ON CONFLICT (id) DO UPDATE SET email = ROW({w})

INSERT INTO people (id, email) VALUES (50, {w}) RETURNING old.email = {m}, new.email, new.note = old.note

INSERT INTO people (id, email) VALUES (50, {w}) RETURNING WITH (OLD AS o, NEW AS n) o.email, n.email = {m}

INSERT INTO people (id, email) VALUES (50, {w}) RETURNING (SELECT count(*) FROM people q WHERE q.email = people.email), email IN ({m}, 'b')

INSERT INTO people DEFAULT VALUES RETURNING email = {m}

INSERT INTO log (id, entry) VALUES (50, (SELECT name FROM people WHERE email = {m}))

INSERT INTO log (id, entry) SELECT id + 50, 'p' FROM people WHERE email = {m}

INSERT INTO log (id, entry) SELECT id + 50, email FROM people WHERE email = {m}

-- UPDATE
UPDATE people SET email = {w}, note = {w}, name = 'n' WHERE email = {m}

UPDATE ONLY people AS p SET email = {w} WHERE p.email IS DISTINCT FROM {m} AND id = 2

UPDATE people SET (email) = ({w}) WHERE id = 1

UPDATE people SET (email) = ROW({w}) WHERE id = 1

UPDATE people SET (email, phone) = ({w}, '9') WHERE id = 1

UPDATE people SET (email, phone) = (SELECT {w}, '9') WHERE id = 1

UPDATE people SET (email, note) = (SELECT mail, {w} FROM orders WHERE orders.id = people.id)

UPDATE people SET (email, note) = (VALUES ({w}, {w})) WHERE id = 1

UPDATE people SET (email, note) = (DEFAULT, {w}) WHERE id = 1

UPDATE people SET (id, email) = (TABLE log) WHERE id = 1

UPDATE people SET (email, note) = ROW((SELECT {w}), {w} || 'x') WHERE id = 1

UPDATE people SET (email, note) = people_rows() WHERE id = 1

UPDATE people SET (email, note) = (p.*) FROM (VALUES ({w}, {w})) p WHERE id = 1

UPDATE people SET email = v.e, note = v.n FROM (VALUES ({w}, {w}, 1)) v (e, n, i) WHERE id = v.i

UPDATE people SET email = s.e FROM (SELECT {w} AS e) s JOIN log ON log.entry = 'e1' WHERE people.id = log.id

UPDATE people SET email = {w} FROM orders WHERE mail = email AND card = {m}

UPDATE people SET email = {w} FROM orders o JOIN log l USING (id) WHERE o.mail = people.email OR l.entry = 'x'

UPDATE people SET email = email WHERE email = {m} RETURNING *

UPDATE people SET email = (SELECT q.email FROM people q WHERE q.email = {m} LIMIT 1) WHERE id = 3

UPDATE people SET note = CASE WHEN email = {w} THEN {w} ELSE note END

UPDATE people SET name = CASE WHEN email = {w} THEN 'yes' ELSE 'no' END

UPDATE people SET name = 'p' WHERE email = {m}

UPDATE people SET email = name

UPDATE people SET email[1] = {w}

UPDATE people SET email.f = {w}

UPDATE typed SET tags[1] = {w}

UPDATE typed SET tags = tags || {w}

UPDATE typed SET tags = array_append(tags, {w}), ages = array_remove(ages, {n})

UPDATE typed SET doc['a'] = '"{M}"'

UPDATE typed SET doc = doc || '{"a":"{M}"}'

UPDATE typed SET doc = jsonb_set(doc, '{a}', '"{M}"')

UPDATE people SET age = age + {n}

UPDATE people SET age = {n}, note = NULL WHERE age = {n}

UPDATE people SET age = -{n} WHERE age = +{n}

UPDATE people SET born = {d}::date + 1

UPDATE people SET email = {w} WHERE id = 2 RETURNING old.email, new.email, old.email = {m}

UPDATE people SET email = {w} WHERE CURRENT OF c

UPDATE log SET entry = 'p' WHERE id IN (SELECT id FROM people WHERE email = {m})

UPDATE log SET entry = email FROM people WHERE email = {m}

UPDATE log SET entry = (SELECT name FROM people WHERE email = {m})

-- DELETE
DELETE FROM people WHERE email IN ({m}, 'b') RETURNING *, email = {m}

DELETE FROM ONLY people p USING orders o, LATERAL (SELECT {m} AS e) s WHERE p.email = s.e AND o.mail = p.email RETURNING o.mail, s.e

DELETE FROM people USING orders JOIN log USING (id) WHERE mail = {m} AND email = mail

DELETE FROM log USING people WHERE people.id = log.id AND email = {m}

DELETE FROM people WHERE EXISTS (SELECT 1 FROM orders WHERE mail = email AND email = {m})

DELETE FROM people WHERE id = 2 RETURNING old.email = {m}, new.email

-- MERGE
MERGE INTO people p USING orders o ON p.email = o.mail AND o.mail = {m} WHEN MATCHED THEN UPDATE SET note = {m}

MERGE INTO people p USING (VALUES (1, {m}), (60, {m})) s (i, e) ON p.id = s.i WHEN MATCHED AND p.email = s.e THEN UPDATE SET note = s.e WHEN MATCHED AND p.email <> {m} THEN DELETE WHEN NOT MATCHED AND s.e = {m} THEN INSERT (id, email) VALUES (s.i, s.e)

MERGE INTO people p USING log l ON p.id = l.id WHEN MATCHED THEN UPDATE SET (email, note) = ({m}, {m}) WHEN NOT MATCHED THEN INSERT VALUES (l.id, {m})

MERGE INTO people p USING log l ON p.id = l.id WHEN MATCHED THEN UPDATE SET (email, note) = (SELECT {m}, {m})

MERGE INTO people p USING (SELECT 1 AS id, {m} AS email) s ON s.email = p.email WHEN NOT MATCHED BY SOURCE AND p.email <> {m} THEN UPDATE SET email = {m} WHEN NOT MATCHED BY TARGET THEN INSERT (id, email) VALUES (70, s.email) RETURNING merge_action(), p.email, s.email

MERGE INTO people p USING (SELECT {m} AS name) s ON p.name = s.name WHEN NOT MATCHED THEN INSERT (id, email) VALUES (70, s.name)

MERGE INTO people USING log ON people.id = log.id AND log.entry = {m} WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, email) VALUES (70, log.entry)

MERGE INTO ONLY people p USING log l ON p.id = l.id WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT (id, email, note) OVERRIDING SYSTEM VALUE VALUES (DEFAULT, {m}, {m})

MERGE INTO log l USING people p ON l.id = p.id AND p.email = {m} WHEN MATCHED THEN UPDATE SET entry = p.name WHEN NOT MATCHED THEN INSERT VALUES (p.id, p.name)

MERGE INTO log l USING people p ON l.id = p.id WHEN MATCHED AND p.email = {m} THEN UPDATE SET entry = p.email

MERGE INTO v_plain v USING log l ON v.id = l.id WHEN MATCHED THEN UPDATE SET mail = {m}

MERGE INTO people p USING people q ON p.id = q.id AND q.email = {m} WHEN MATCHED THEN UPDATE SET note = q.note RETURNING *

-- EXPLAIN, PREPARE, cursors
EXPLAIN (VERBOSE, COSTS OFF, FORMAT json) SELECT id FROM people WHERE email = {m}

EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) UPDATE people SET email = {m} WHERE id = 1

EXPLAIN VERBOSE MERGE INTO people p USING log l ON p.id = l.id WHEN MATCHED THEN UPDATE SET email = {m}

EXPLAIN CREATE TABLE t2 AS SELECT id FROM people WHERE email = {m}

EXPLAIN CREATE MATERIALIZED VIEW m2 AS SELECT id FROM people WHERE email = {m}

EXPLAIN DECLARE c CURSOR FOR SELECT id FROM people WHERE email = {m}

EXPLAIN (GENERIC_PLAN) SELECT id FROM people WHERE email = $1

PREPARE q AS SELECT id FROM people WHERE email = $1; EXECUTE q({m}); EXPLAIN (COSTS OFF) EXECUTE q({m}); DEALLOCATE q

PREPARE q (text, text) AS INSERT INTO people (id, email, note) VALUES (50, $1, $2); EXECUTE q({m}, {m}); DEALLOCATE PREPARE q

PREPARE q AS UPDATE people SET email = $1 WHERE email = $2 RETURNING email; EXECUTE q({m}, {m}::text); DEALLOCATE ALL

PREPARE q AS SELECT id FROM people WHERE email = $1; EXECUTE q(lower({m}))

PREPARE q AS SELECT id FROM people WHERE email = $1; CREATE TEMP TABLE t2 AS EXECUTE q({m})

PREPARE q AS VALUES ($1); EXECUTE q('x'); DEALLOCATE q

PREPARE q AS SELECT $1::text UNION ALL SELECT email FROM people; EXECUTE q({m}); DEALLOCATE q

PREPARE "Q 1" AS WITH u AS (UPDATE people SET note = $1 RETURNING note) TABLE u; EXECUTE "Q 1"({m}); DEALLOCATE "Q 1"

DECLARE c BINARY INSENSITIVE SCROLL CURSOR WITHOUT HOLD FOR SELECT email FROM people WHERE email = {m}; FETCH ALL c; CLOSE c

DECLARE c CURSOR FOR SELECT * FROM people WHERE email = {m} FOR UPDATE; FETCH c; UPDATE people SET email = {m} WHERE CURRENT OF c; CLOSE ALL

DECLARE c NO SCROLL CURSOR FOR VALUES ((SELECT email = {m} FROM people WHERE id = 1)); FETCH c

-- COPY
COPY (SELECT id FROM people WHERE email = {m}) TO STDOUT

COPY (UPDATE people SET email = {m} WHERE id = 1 RETURNING email) TO STDOUT (FORMAT csv)

COPY (WITH w AS (SELECT {m} AS e) SELECT p.id FROM people p, w WHERE w.e = p.email) TO STDOUT

COPY (TABLE people) TO PROGRAM 'cat > {M}'

COPY people (id, email) TO STDOUT (NULL 'n')

COPY people (id, email) FROM PROGRAM 'echo 50 {M}'

COPY v_row TO STDOUT

COPY (SELECT 'x' FROM v_nested WHERE id = {m}) TO STDOUT

-- definitions
CREATE TEMP TABLE t2 AS SELECT id FROM people WHERE email = {m}

CREATE TABLE t2 (a) AS SELECT {m} UNION ALL SELECT email FROM people WITH NO DATA

CREATE UNLOGGED TABLE IF NOT EXISTS t2 USING heap AS VALUES ((SELECT id FROM people WHERE email = {m}))

SELECT id, {m} = email AS x INTO TEMPORARY TABLE t2 FROM people

SELECT {m} AS e INTO t2 UNION SELECT email FROM people

CREATE MATERIALIZED VIEW m2 AS SELECT id, email FROM people WHERE email = {m}

CREATE OR REPLACE TEMP VIEW v2 AS SELECT id, email FROM people WHERE email = {m}

CREATE VIEW v2 (a, b) AS SELECT id, {m} FROM people UNION ALL SELECT id, email FROM people

CREATE VIEW v2 WITH (security_barrier) AS SELECT coalesce(email, {m}) AS e FROM people WITH CHECK OPTION

CREATE RECURSIVE VIEW v2 (n, e) AS SELECT 1, {m} UNION ALL SELECT n + 1, email FROM v2 JOIN people ON id = n

CREATE VIEW v2 AS SELECT id FROM v_nested WHERE id = {m}

CREATE INDEX ON people ((email = {m}))

CREATE INDEX ON people (id) INCLUDE (email) WHERE email IN ({m}, 'b')

CREATE UNIQUE INDEX i2 ON people (coalesce(email, {m}))

CREATE INDEX ON m_people (id) WHERE e = {m}

CREATE INDEX ON kid (id) WHERE email = {m}

CREATE STATISTICS s2 ON id, (email = {m}) FROM people

CREATE STATISTICS s2 ON (coalesce(email, {m})), id FROM people

CREATE POLICY p2 ON people USING (email = {m})

CREATE POLICY p2 ON people FOR INSERT WITH CHECK (email <> {m})

ALTER POLICY p2 ON people USING (email = {m})

CREATE RULE r2 AS ON INSERT TO people DO INSTEAD INSERT INTO log VALUES (1, {m})

CREATE RULE r2 AS ON UPDATE TO log WHERE old.entry = {m} DO ALSO UPDATE people SET email = {m}

CREATE RULE r2 AS ON UPDATE TO people WHERE old.email = {m} DO INSTEAD NOTHING

CREATE RULE r2 AS ON INSERT TO log DO ALSO (NOTIFY x; INSERT INTO people (id, email) VALUES (new.id, {m}))

CREATE RULE "_RETURN" AS ON SELECT TO log DO INSTEAD SELECT id::int4, {m} AS entry FROM people WHERE email = {m}

CREATE TRIGGER t2 BEFORE UPDATE ON people FOR EACH ROW WHEN (old.email = {m}) EXECUTE FUNCTION suppress_redundant_updates_trigger()

CREATE TRIGGER t2 BEFORE UPDATE ON people FOR EACH ROW WHEN (new IS DISTINCT FROM ROW({m})) EXECUTE FUNCTION suppress_redundant_updates_trigger()

CREATE TRIGGER t2 BEFORE UPDATE ON people FOR EACH ROW WHEN ((old).email = {m}) EXECUTE FUNCTION suppress_redundant_updates_trigger()

CREATE CONSTRAINT TRIGGER t2 AFTER INSERT ON people FROM log FOR EACH ROW WHEN (new.email = {m}) EXECUTE FUNCTION suppress_redundant_updates_trigger()

ALTER TABLE people ADD CHECK (email <> {m})

ALTER TABLE people ADD CONSTRAINT c2 CHECK (email <> {m}) NOT VALID NO INHERIT

ALTER TABLE people ADD COLUMN x text DEFAULT {m} CHECK (email <> {m})

ALTER TABLE people ADD COLUMN x bool GENERATED ALWAYS AS (email = {m}) STORED

ALTER TABLE people ADD COLUMN x bool GENERATED ALWAYS AS (email = {m}) VIRTUAL

ALTER TABLE people ADD COLUMN x sealwire.deterministic DEFAULT {m}

ALTER TABLE people ADD EXCLUDE USING btree (id WITH =) WHERE (email = {m})

ALTER TABLE people ADD EXCLUDE ((email = {m}) WITH =)

ALTER TABLE people ALTER email SET DEFAULT {m}

ALTER TABLE people ALTER note SET DEFAULT {m}

ALTER TABLE people ALTER COLUMN email TYPE text USING {m}

ALTER TABLE people ALTER COLUMN name TYPE bool USING email = {m}

ALTER TABLE people ALTER COLUMN name TYPE text USING email

ALTER TABLE people ALTER COLUMN name SET EXPRESSION AS (email = {m})

ALTER TABLE IF EXISTS ONLY people ALTER email SET DEFAULT {m}

ALTER TABLE kid ALTER email SET DEFAULT {m}

ALTER TABLE kid ADD CHECK (email = {m})

ALTER TABLE events_1 ALTER actor SET DEFAULT {m}

ALTER TABLE events ADD COLUMN x text DEFAULT {m}, ALTER actor SET DEFAULT {m}

ALTER VIEW v_plain ALTER mail SET DEFAULT {m}

ALTER VIEW v_nested ALTER COLUMN id SET DEFAULT {m}

ALTER TABLE v_default ALTER email SET DEFAULT {m}

ALTER MATERIALIZED VIEW m_people ALTER e SET DEFAULT {m}

CREATE TABLE k2 (email sealwire.deterministic DEFAULT {m}) INHERITS (people)

CREATE TABLE k2 (CHECK (email <> {m})) INHERITS (people)

CREATE TABLE k2 (LIKE people INCLUDING ALL, CHECK (email <> {m}))

CREATE TABLE k2 (LIKE people, x text DEFAULT {m}, y bool GENERATED ALWAYS AS (email = {m}) STORED)

CREATE TABLE k2 PARTITION OF events (actor DEFAULT {m}) FOR VALUES FROM (2000) TO (3000)

CREATE TABLE k2 PARTITION OF events (actor WITH OPTIONS DEFAULT {m}) DEFAULT

CREATE TABLE k2 PARTITION OF events (CHECK (actor <> {m})) DEFAULT

CREATE TABLE k2 PARTITION OF events DEFAULT PARTITION BY LIST ((actor = {m}))

CREATE TABLE k2 (id int8 REFERENCES people (id), x text CHECK (x <> 'p'))

CREATE FOREIGN TABLE k2 (x text DEFAULT {m}) INHERITS (people) SERVER s

CREATE SCHEMA s2 CREATE VIEW v2 AS SELECT id FROM people WHERE email = {m}

CREATE SCHEMA s2 CREATE TABLE k2 (CHECK (email <> {m})) INHERITS (people)

CREATE PUBLICATION p2 FOR TABLE people (id, email) WHERE (email = {m})

ALTER PUBLICATION p2 SET TABLE people WHERE (email = {m})

CREATE FUNCTION f2() RETURNS bool LANGUAGE sql BEGIN ATOMIC SELECT email = {m} FROM people; END

CREATE FUNCTION f2() RETURNS bool LANGUAGE sql RETURN (SELECT email = {m} FROM people LIMIT 1)

CREATE FUNCTION f2() RETURNS bool LANGUAGE sql AS 'SELECT email = ''{M}'' FROM people'

CREATE FUNCTION f2(p people DEFAULT '(1,{M},,,,,)') RETURNS int LANGUAGE sql AS 'SELECT 1'

CREATE FUNCTION f2() RETURNS people LANGUAGE sql RETURN ROW(1,{m},NULL,NULL,NULL,NULL,NULL)::people

CREATE OR REPLACE PROCEDURE f2() LANGUAGE plpgsql AS $$BEGIN UPDATE people SET email = '{M}'; END$$

DO $$BEGIN UPDATE people SET email = '{M}'; END$$

DO LANGUAGE plpgsql 'BEGIN PERFORM 1 FROM "people" WHERE email = ''{M}''; END'

DO E'BEGIN UPDATE pe\x6fple SET email = ''{M}''; END'

DO U&'BEGIN UPDATE pe\006fple SET email = ''{M}''; END'

DO $$BEGIN UPDATE v_nested SET id = '{M}'; END$$

CALL nothing((SELECT name FROM people WHERE email = {m}))

SELECT query_to_xml('SELECT id FROM people WHERE email = ''{M}''', true, false, '')

SELECT pg_catalog.query_to_xml_and_xmlschema($$UPDATE people SET email = '{M}' RETURNING 1$$, true, false, '')

SELECT * FROM ts_stat($$SELECT to_tsvector(name) FROM people WHERE email = '{M}'$$)

SELECT ts_rewrite('a'::tsquery, $$SELECT 'a'::tsquery, 'b'::tsquery FROM people WHERE email = '{M}'$$)

SELECT query_to_xmlschema('SELECT * FROM people WHERE email = ''{M}''', true, false, '')

COMMENT ON COLUMN people.email IS 'about'

SELECT id FROM people WHERE email = {m}; SELECT id FROM orders WHERE mail = {m}

BEGIN; UPDATE people SET email = {m}; COMMIT

VACUUM people; SELECT id FROM people WHERE email = {m}

LOCK people IN SHARE MODE; SELECT id FROM people WHERE email = {m}

TRUNCATE people CASCADE; INSERT INTO people (id, email) VALUES (1, {m})

SET LOCAL search_path = public; SELECT id FROM people WHERE email = {m}

WITH RECURSIVE r AS (SELECT id, coalesce(email, NULL::text) AS email FROM people UNION ALL SELECT id + 1, {m} FROM r WHERE id < 3) SELECT * FROM r

WITH RECURSIVE r AS (SELECT id, email FROM people UNION ALL SELECT id + 1, NULL FROM r WHERE id < 3) SELECT * FROM r

INSERT INTO people (id, email) SELECT 50, unnest(array[null]::text[])

INSERT INTO people (id, email) SELECT 50, * FROM unnest(array[null, {w}]::text[]) AS u

UPDATE people SET email = {w} WHERE id = 1 RETURNING {w}::text = email

SELECT {m}::text UNION ALL SELECT email FROM people

SELECT CAST({m} AS text) UNION ALL SELECT email FROM people

SELECT ({m}::varchar)::text UNION ALL SELECT email FROM people

SELECT {m}::text AS x, CASE WHEN true THEN {m} END::text UNION ALL SELECT email, email FROM people

SELECT CAST(CASE WHEN true THEN {m} END AS text) UNION ALL SELECT email FROM people

SELECT CAST(NULL AS text) UNION ALL SELECT email FROM people WHERE email = {m}

UPDATE people SET note = {w} RETURNING NULLIF({w}, note), {w}::text

SELECT id FROM people WHERE ARRAY[email, {m}]::text[] = ARRAY[{m}, email]

SELECT id FROM people WHERE ARRAY[email] IN (ARRAY[{m}], ARRAY['b', {m}])

SELECT NULLIF(ARRAY[email], ARRAY[{m}]) FROM people

SELECT CASE ARRAY[email] WHEN ARRAY[{m}] THEN 1 WHEN '{"{M}"}' THEN 2 END FROM people

SELECT array_agg(email) = ARRAY[{m}] FROM people

SELECT id FROM people WHERE (ARRAY[email], id) = (ARRAY[{m}], 1)

SELECT ARRAY(SELECT email FROM people) = (SELECT array_agg(email) FROM people)

-- names of output columns
SELECT p.email, (SELECT q.email FROM people q WHERE q.email = {m} LIMIT 1) FROM people p

SELECT email, (SELECT * FROM (SELECT email FROM people) s WHERE email = {m}), coalesce(email, {m}) FROM people

SELECT p.email, q.*, (SELECT email FROM people WHERE email = {m} UNION SELECT {m}) FROM people p JOIN people q USING (email)

SELECT phone AS email, email AS phone, CASE WHEN email = {m} THEN 1 ELSE id END, id AS note, note AS id FROM people

SELECT array_agg(email), any_value, nullif FROM (SELECT email, email AS any_value, nullif(phone, '1') FROM people) s GROUP BY 2, 3
