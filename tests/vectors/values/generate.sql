-- The values whose treatment by PostgreSQL the golden files record. Everything random is drawn from
-- a fixed seed, so that a run with the same server version gives the same files.

set client_min_messages = warning;
select setseed(0.20240102);

create table cases (
    n serial,
    kind text not null,
    type text not null,
    settings text not null default '',
    input text not null
);

create function pick(variadic choices text[]) returns text volatile language sql as
$$ select choices[1 + floor(random() * cardinality(choices))::int] $$;

create function digits(count int) returns text volatile language sql as
$$ select coalesce(string_agg(floor(random() * 10)::int::text, ''), '') from generate_series(1, count) $$;

create function upto(bound int) returns int volatile language sql as
$$ select floor(random() * (bound + 1))::int $$;

-- Integers.
insert into cases (kind, type, input)
select 'int', type, input
from unnest(array['int2', 'int4', 'int8']) type, unnest(array[
    '0', '-0', '+0', '1', '-1', '+1', '00', '007', '  42', '42  ', E'\t\n42\r\f\v', '', ' ', '+', '-',
    '--1', '+-1', '- 1', '1 2', '1.0', '1e3', '0x10', '0o7', '0b1', '1_000', 'abc', '12abc', 'NaN', '1,000',
    '32767', '32768', '-32768', '-32769', '2147483647', '2147483648', '-2147483648', '-2147483649',
    '9223372036854775807', '9223372036854775808', '-9223372036854775808', '-9223372036854775809',
    '99999999999999999999', '-99999999999999999999', '99999999999999999999x', '000000000000000000000000001'
]) input;
insert into cases (kind, type, input)
select 'int', pick('int2', 'int4', 'int8'), pick('', '', ' ') || pick('', '-', '+') || digits(1 + upto(19)) || pick('', '', ' ')
from generate_series(1, 3000);

-- Booleans: every start of every word, in both cases, and what is near.
insert into cases (kind, type, input)
select 'bool', 'bool', before || variant || after
from unnest(array['true', 'false', 'yes', 'no', 'on', 'off', '1', '0', 't ', 'truth', 'yess', 'x', '2', '01', 'n o']) word,
    generate_series(0, length(word)) n, unnest(array['', ' ']) before, unnest(array['', ' ', E'\n']) after,
    lateral (values (left(word, n)), (upper(left(word, n))), (initcap(left(word, n)))) v (variant)
group by 1, 2, 3;

-- UUIDs.
insert into cases (kind, type, input)
select 'uuid', 'uuid', pick('', '', '{') || case upto(5)
    when 0 then md5(n::text)
    when 1 then md5(n::text)::uuid::text
    when 2 then upper(md5(n::text)::uuid::text)
    when 3 then regexp_replace(md5(n::text), '(....)', '\1-', 'g')
    when 4 then rtrim(regexp_replace(md5(n::text), '(....)', '\1-', 'g'), '-')
    else overlay(md5(n::text)::uuid::text placing pick('-', 'g', ' ', '{', 'A', '') from 1 + upto(36) for 1)
end || pick('', '', '}')
from generate_series(1, 1500) n;
insert into cases (kind, type, input) values ('uuid', 'uuid', ''), ('uuid', 'uuid', '{}'), ('uuid', 'uuid', 'null');

-- bytea, in both input and both output forms.
insert into cases (kind, type, settings, input)
select 'bytea', 'bytea', 'bytea_output=' || pick('hex', 'escape'), case upto(3)
    when 0 then '\x' || left(md5(n::text) || md5((n + 1)::text), upto(64))
    when 1 then '\x' || regexp_replace(upper(left(md5(n::text), 2 * upto(16))), '(..)', pick(E'\\1 ', E'\\1\n', E' \\1\t'), 'g')
    else (select coalesce(string_agg(pick('a', 'ü', '\\', '\', ' ', '\000', '\377', '\' || digits(3), '\0' || digits(2), '~', '''', E'\t'), ''), '')
          from generate_series(1, upto(8) + 0 * n))
end
from generate_series(1, 2000) n;
insert into cases (kind, type, input)
select 'bytea', 'bytea', input from unnest(array['', '\x', '\X00', '\x0', '\x00', '\x g0', '\x0g', '\x 00', '\x0 0', '\', '\\', '\\\', '\x00\x00', '\8', '\400', '\777']) input;
insert into cases (kind, type, settings, input)
select 'bytea', 'bytea', 'bytea_output=' || output, '\x' || lpad(to_hex(n), 2, '0') || '41' from generate_series(0, 255) n, unnest(array['hex', 'escape']) output;

-- Strings.
insert into cases (kind, type, input)
select 'text', type, input
from unnest(array['text', 'varchar', 'varchar(1)', 'varchar(3)', 'varchar(10)', 'char(1)', 'char(3)', 'char(10)', 'bpchar']) type,
    unnest(array['', ' ', '   ', 'a', 'a ', ' a', 'abc', 'abc ', 'abc    ', 'abcd', 'abc d', 'äöü', 'äöüß', 'äöü  ', '日本語', '日本語 ',
        '😀😀😀', '😀😀😀😀', E'a\tb', E'a\n', E'abc\t', '\x00', '''', '"', 'NULL', repeat('x', 10), repeat('x', 11), repeat('ü', 10) || '   ',
        E'\u0301a\u0301', E'\uFEFFa', E'\u00A0\u00A0\u00A0\u00A0', repeat('long ', 500)]) input;
insert into cases (kind, type, input)
select 'text', pick('text', 'varchar(3)', 'varchar(10)', 'char(3)', 'char(10)', 'bpchar'),
    (select coalesce(string_agg(pick('a', 'b', ' ', ' ', 'ü', '語', '😀', E'\n'), ''), '') from generate_series(1, upto(13) + 0 * n))
from generate_series(1, 3000) n;

-- Floating point: -0 and the NaN with a sign are left out, because a cell holds +0 and one NaN.
insert into cases (kind, type, settings, input)
select 'float', type, 'extra_float_digits=' || digits, input
from unnest(array['float4', 'float8']) type, generate_series(-15, 3) digits, unnest(array[
    '0', '1', '-1', '0.1', '0.5', '1.5', '2.5', '0.25', '0.35', '1e15', '1e14', '123456789012345', '1234567890123456', '1e5', '1e6', '1e7',
    '123456', '1234567', '0.0001', '0.00001', '0.00012345678901234567', '1e22', '1e23', '9.5', '99.5', '999999.5', '9999999', '1e-5', '3.14159265358979',
    'NaN', 'Infinity', '-Infinity', '1.17549435e-38', '1.4e-45', '3.4028235e38', '16777217', '9007199254740993']) input;
insert into cases (kind, type, input)
select 'float', type, input
from unnest(array['float4', 'float8']) type, unnest(array[
    '', ' ', '.', '+', '-', 'e5', '1e', '1e+', '1e-', '.5', '5.', '-.5', '+5', '5.e1', '.e1', '1 ', ' 1', E'\t1\n', '1x', '1e5x', '1 2', '1.2.3', '1e5.5', '1,5',
    'nan', 'NAN', '+nan', 'inf', '+inf', '-inf', 'INFINITY', '+Infinity', 'infinit', 'infinityx', 'nanx', 'i', 'in',
    '1e308', '1.7976931348623157e308', '1.7976931348623158e308', '1.7976931348623159e308', '1e309', '-1e309', '1e400', '2.2250738585072014e-308',
    '2.2250738585072011e-308', '4.9e-324', '2.5e-324', '2.4e-324', '1e-324', '1e-400', '-1e-400', '0e400', '0e-400', '0.000e99999', '1e99999', '1e-99999',
    '3.4028235e38', '3.4028236e38', '3.40282357e38', '1e39', '-1e39', '1.4e-45', '0.7e-45', '0.8e-45', '1e-46', '1e38',
    '1' || repeat('0', 308), '0.' || repeat('0', 330) || '1', repeat('9', 400), '0.' || repeat('3', 800)]) input;
insert into cases (kind, type, settings, input)
select 'float', type, 'extra_float_digits=' || pick('1', '3', '0', '-2', '-7'), value::text
from unnest(array['float4', 'float8']) type, (
    select 2::float8 ^ n from generate_series(-1073, 1023) n
    union all select (2::float8 ^ n) * (1 - 2::float8 ^ -53) from generate_series(-1000, 1023, 3) n
    union all select (2::float8 ^ n) * (1 + 2::float8 ^ -52) from generate_series(-1000, 1023, 3) n
    union all select ('1e' || n)::float8 from generate_series(-323, 308) n
) v (value)
where type = 'float8' or abs(value) between 1e-44 and 3e38;
insert into cases (kind, type, settings, input)
select 'float', type, 'extra_float_digits=' || pick('1', '1', '2', '0', '-3', '-14'),
    pick('', '-') || (1 + upto(8))::text || '.' || digits(upto(18)) || 'e' || (upto(case type when 'float4' then 75 else 612 end) - case type when 'float4' then 38 else 306 end)
from unnest(array['float4', 'float8']) type, generate_series(1, 2000);
-- Values on and beside the halfway points of float4.
insert into cases (kind, type, input)
select 'float', 'float4', ((m::numeric + d) * (2::numeric ^ e))::text
from generate_series(8388608, 16777215, 99991) m, unnest(array[0, 0.5, 0.499, 0.501]) d, unnest(array[0, 5, -3, 40]) e;

-- numeric.
insert into cases (kind, type, input)
select 'numeric', type, input
from unnest(array['numeric', 'numeric(10,2)', 'numeric(5)', 'numeric(5,-2)', 'numeric(3,5)', 'numeric(2,4)', 'numeric(38,10)', 'numeric(1000,500)', 'numeric(4,4)', 'numeric(1,-1000)']) type,
    unnest(array['0', '-0', '0.0', '0.000', '-0.00', '1', '-1', '1.10', '1.100', '0.1', '.1', '1.', '-.5', '+.5', '.', '', ' ', '-', '+', 'e', '1e', '1e5', '1E-5', '1e+5', '1e 5', '1 e5', '1.2.3', '1..2',
        '1e1.5', 'abc', '1abc', '1 2', E' \t1.5\n ', 'NaN', 'nan', 'NANx', '-NaN', 'Infinity', '-Infinity', '+Infinity', 'inf', '-inf', '+inf', 'infinit', 'Inf x', 'inf ',
        '9999', '10000', '99999999', '100000000', '0.9999', '0.00009999', '0.0001', '0.00001', '9999.9999', '10000.0001', '99999', '99999.5', '99999.4', '99999999.99', '99999999.994', '99999999.995', '99999999.9949999999',
        '49', '50', '149', '150', '-150', '9999949', '9999950', '0.000994', '0.000995', '0.00994', '0.00995', '0.00996', '0.0094', '0.0095', '0.5', '1.5', '2.5', '-2.5', '0.005', '0.015', '-0.005', '0.00499999999999999999999999',
        '1e131071', '1e131072', '9.99e131071', '1e-16383', '1e-16384', '1e-20000', '0e-16383', '0e-16384', '0e999999', '1e999999', '1e-999999', '1e1073741822', '1e1073741823', '1e-1073741823', '1e99999999999999999999', '0e1073741823', '0x10', '1_000',
        '12345678901234567890123456789012345678901234567890', repeat('9', 600), '0.' || repeat('9', 600), repeat('0', 50) || '1.' || repeat('0', 50)]) input;
insert into cases (kind, type, input)
select 'numeric', pick('numeric', 'numeric', 'numeric(10,2)', 'numeric(5)', 'numeric(7,-3)', 'numeric(3,5)', 'numeric(38,10)', 'numeric(20,20)', 'numeric(1000,0)'),
    pick('', '', '-', '+') || digits(upto(14)) || pick('', '.') || repeat('0', upto(1) * upto(9)) || digits(1 + upto(22)) || repeat('0', upto(1) * upto(9)) || pick('', '', '', 'e' || upto(30), 'e-' || upto(30))
from generate_series(1, 4000);
-- Long runs of nines and fives, where a carry travels.
insert into cases (kind, type, input)
select 'numeric', 'numeric(60,' || s || ')', pick('', '-') || repeat('9', a) || '.' || repeat('9', b) || pick('4', '5', '49', '50', '')
from generate_series(0, 9) s, generate_series(0, 13) a, generate_series(1, 13) b where (a + b + s) % 3 = 0;

-- json and jsonb.
create function random_json(depth int) returns text volatile language plpgsql as $$
declare
    blank text := pick('', '', '', ' ', E'\n', E'\t ');
    kind int := case when depth > 3 then upto(5) else upto(8) end;
begin
    return blank || case kind
        when 0 then pick('null', 'true', 'false')
        when 1 then pick('', '-') || upto(1000)
        when 2 then pick('', '-') || upto(50) || '.' || digits(1 + upto(5)) || pick('', 'e' || upto(12), 'E+' || upto(12), 'e-' || upto(12))
        when 3 then random_string()
        when 4 then pick('[]', '{}', '[ ]', '""', '0', '-0', '0.0', '1e2')
        when 5 then random_string()
        when 6 then '[' || (select coalesce(string_agg(random_json(depth + 1), ','), '') from generate_series(1, upto(4))) || ']'
        else '{' || (select coalesce(string_agg(blank || random_string() || pick('', ' ') || ':' || random_json(depth + 1), ','), '') from generate_series(1, upto(5))) || blank || '}'
    end || blank;
end $$;
create function random_string() returns text volatile language sql as
$$ select '"' || coalesce(string_agg(pick('a', 'b', 'ab', 'B', 'ü', '😀', '\n', '\t', '\\', '\"', '\/', '\u0041', '\u00e4', '\u001f', '\b\f\r', '\ud83d\ude04', ' ', ''), ''), '') || '"' from generate_series(1, upto(3)) $$;
insert into cases (kind, type, input)
select 'json', pick('json', 'jsonb', 'jsonb'), random_json(0) from generate_series(1, 3000);
insert into cases (kind, type, input)
select 'json', type, input
from unnest(array['json', 'jsonb']) type, unnest(array[
    '', ' ', 'null', ' null ', 'nul', 'nulll', 'NULL', 'true', 'truefalse', '[truefalse]', '1', '01', '-', '-1', '--1', '+1', '1.', '.5', '1e', '1e+', '1e5', '1E400', '1e131071', '1e131072', '1e-16383', '1e-16384', '-0', '-0.0', '-0e5', '0e1000000',
    '1.0000', '123456789012345678901234567890.123456789', '1x', '1 2', '0x10', 'NaN', 'Infinity',
    '"', '"a', '"a"', '"a"b', '"\"', '"\\"', '"\x41"', '"\u004"', '"\u00g1"', '"\u0000"', '"a\u0000b"', '"\ud83d"', '"\ud83d\ud83d"', '"\ude04"', '"\ud83dx"', '"\ud83d\n"', '"\ud83d\ude04"', '"\uD83D\uDE04"', '"\uffff"', '"\uDBFF\uDFFF"', '"\/"', '"\''"', '''a''',
    E'"\t"', E'"\n"', E'"\u007f"', '"ü"', '"\u00fc"', E'\u00a0null', E'\fnull', E'\vnull', E'\r\n\t null',
    '[', ']', '[]', '[ ]', '[1]', '[1,]', '[,1]', '[1 2]', '[1,2', '[1}', '[[[[1]]]]', '{', '}', '{}', '{ }', '{"a"}', '{"a":}', '{"a":1,}', '{a:1}', '{"a":1 "b":2}', '{1:1}', '{"a":1}', '{"a":1]', '{"a":1}}', '{"a":1}{',
    '{"b":1,"a":2}', '{"aa":1,"b":2}', '{"a":1,"a":2}', '{"a":{"x":1},"a":{"y":2}}', '{"a":1,"b":2,"a":3,"c":4,"b":5}', '{"ü":1,"z":2,"zz":3,"":4}', '{"\u0061":1,"a":2}', '{"a":"\u0000","a":1}', '{"a\u0000":1}', '{"":""}', '{"A":1,"a":2,"B":3}',
    repeat('[', 100) || repeat(']', 100), '["' || repeat('x', 1000) || '"]', E'// comment\n1', '/**/1', '[1,2,3] -- c', '"a" "b"']) input;

-- Dates.
insert into cases (kind, type, settings, input)
select 'date', 'date', 'DateStyle=ISO, ' || style, input
from unnest(array['MDY', 'DMY', 'YMD']) style, unnest(array[
    '2024-01-02', '2024-1-2', '2024/01/02', '2024.01.02', '01/02/2024', '13/02/2024', '02/13/2024', '01-02-2024', '01.02.2024', '01-02-24', '24-01-02', '70-01-02', '69-01-02', '99-12-31', '00-01-01', '1-2-3', '31-12-99', '12-31-99', '29-02-00', '02-29-00',
    '100-01-02', '999-01-02', '0001-01-01', '0000-01-01', '0000-01-01 BC', '0001-01-01 BC', '0001-01-01 AD', '0044-03-15 BC', '44-03-15 BC', '0044-03-15bc', '4714-11-24 BC', '4714-11-23 BC', '4713-01-01 BC', '4800-01-01 BC', '5874897-12-31', '5874898-01-01', '5881580-07-10', '5881580-07-11', '5881580-07-12', '5900000-01-01', '99999999-01-01', '10000-01-01', '294277-01-01',
    '2024-02-29', '2023-02-29', '1900-02-29', '2000-02-29', '2024-02-30', '2024-04-31', '2024-13-01', '2024-00-01', '2024-01-00', '2024-01-32', '2024-12-31', '0004-02-29 BC', '0005-02-29 BC', '0001-02-29 BC',
    'infinity', '-infinity', 'Infinity', 'INFINITY', 'epoch', ' 2024-01-02 ', E'\t2024-01-02\n', '2024-01-02 03:04:05', '2024-01-02T03:04:05Z', '2024-01-02 23:59:59+00', '2024-01-02 +01', '2024-01-02+01', '2024-01-02 -05', '2024-01-02Z', '2024-01-02 Z', '2024-01-02 24:00:00', '2024-01-02 25:00:00',
    '', ' ', 'abc', '2024', '2024-01', '2024-01-02-03', '2024-01/02', '-2024-01-02', '2024-01-02x', '2024-01-02 x', '2024-01-02 BC x', '2024-01-02 +16', '2024-01-02 +05:60', 'infinity x', 'inf', '99999999999-01-01', '2024-01-02 03:04:05 Europe/Paris', '2024-01-02 03:04:05 Nowhere/Nowhere']) input;
insert into cases (kind, type, settings, input)
select 'date', 'date', 'DateStyle=ISO, ' || style, to_char(day, case style when 'MDY' then pick('MM/DD/YYYY', 'MM-DD-YYYY', 'FMMM/FMDD/YYYY', 'YYYY-MM-DD', 'MM/DD/YY') when 'DMY' then pick('DD/MM/YYYY', 'DD.MM.YYYY', 'FMDD-FMMM-YYYY', 'YYYY/MM/DD', 'DD-MM-YY') else pick('YYYY-MM-DD', 'YYYY.FMMM.FMDD', 'YY-MM-DD', 'YY/FMMM/FMDD') end)
from (select date '0001-01-01' + upto(1200000) as day, pick('MDY', 'DMY', 'YMD') as style from generate_series(1, 1500)) d;
insert into cases (kind, type, input)
select 'date', 'date', (date '4714-11-24 BC' + floor(random() * 2147483493)::int)::text from generate_series(1, 1000);
insert into cases (kind, type, input)
select 'date', 'date', (date '4714-11-24 BC' + floor(random() * 2000000)::int)::text from generate_series(1, 500);
insert into cases (kind, type, input)
select 'date', 'date', (1800 + upto(400)) || '-' || upto(13) || '-' || upto(32) from generate_series(1, 500);

-- Times of day.
insert into cases (kind, type, input)
select 'time', type, input
from unnest(array['time', 'time(0)', 'time(1)', 'time(2)', 'time(3)', 'time(4)', 'time(5)', 'time(6)']) type, unnest(array[
    '00:00:00', '24:00:00', '24:00:00.000001', '24:00:01', '23:59:60', '23:59:60.1', '23:59:59.999999', '23:59:59.9999994', '23:59:59.9999995', '23:59:59.9999999', '23:59:59.95', '23:59:59.5', '23:59:59.49', '12:34', '1:2', '1:2:3', '01:02:03.4', '12:34:56.123456789', '12:34:56.0000005', '12:34:56.0000015', '12:34:56.0000025',
    '12:60:00', '12:59:61', '25:00:00', '-01:00:00', '12:34:56 AM', '12:34:56 PM', '01:02 pm', '13:00 PM', '13:00 AM', '00:30 AM', '00:30 PM', '12:00am', '11:59:59.999PM', '12:34:56+01', '12:34:56-05:30', '12:34:56 Z', '12:34:56Z', '12:34:56 UTC', '12:34:56+16', '12:34:56.', '', ' ', 'x', '12', ':30', '12:34:56x', '12:34:56 x', ' 12:34:56 ', E'\n12:34\t', '12:345', '12:34:567', '12:34:56,7', '12:34:56 Europe/Paris', 'infinity']) input;
insert into cases (kind, type, input)
select 'time', pick('time', 'time(0)', 'time(1)', 'time(2)', 'time(3)', 'time(4)', 'time(5)', 'time(6)'),
    lpad(upto(24)::text, 1 + upto(1), '0') || ':' || lpad(upto(60)::text, 2, '0') || pick('', ':' || lpad(upto(61)::text, 2, '0'), ':' || lpad(upto(59)::text, 2, '0') || '.' || digits(1 + upto(8)))
from generate_series(1, 2500);

-- Timestamps without time zone.
insert into cases (kind, type, input)
select 'timestamp', type, input
from unnest(array['timestamp', 'timestamp(0)', 'timestamp(1)', 'timestamp(3)', 'timestamp(6)']) type, unnest(array[
    '2024-01-02', '2024-01-02 03:04', '2024-01-02 03:04:05', '2024-01-02T03:04:05', '2024-01-02t03:04:05', '2024-01-02   03:04:05', '2024-01-02 03:04:05.678', '2024-01-02 03:04:05.678901234', '2024-01-02 03:04:05Z', '2024-01-02T03:04:05.678Z', '2024-01-02 03:04:05+05', '2024-01-02 03:04:05 +05:30', '2024-01-02 03:04:05 -0530', '2024-01-02 03:04:05 UTC', '2024-01-02 03:04:05 Europe/Paris', '2024-01-02 03:04:05+16', '2024-01-02 03:04:05+05:60', '2024-01-02 03:04:05 PM', '2024-01-02 03:04:05 PM +02', '2024-01-02 24:00:00', '2024-01-02 23:59:60', '2024-01-02 24:00:01', '2024-12-31 24:00:00',
    '2024-02-30 00:00', '2024-01-02 25:00', '1999-12-31 23:59:59.95', '1999-12-31 23:59:59.96', '1999-12-31 23:59:59.5', '1999-12-31 23:59:59.4999999', '2000-01-01 00:00:00.05', '2000-01-01 00:00:00.0000005', '1999-12-31 23:59:59.9999995', '2024-01-02 03:04:05.9999999', '2024-01-02 03:04:05.99999949',
    '4714-11-24 00:00:00 BC', '4714-11-23 23:59:59 BC', '4714-11-24 00:00:00.000001 BC', '0001-12-31 23:59:59.999999 BC', '0001-01-01 00:00:00', '294276-12-31 23:59:59.9999999', '294277-01-01 00:00:00', '294276-12-31 24:00:00', '294277-01-09 04:00:54.775806', '294277-01-09 04:00:54.775807', '294277-01-09 04:00:54.775808', '294277-01-10 00:00:00', '5874897-01-01', '99999-01-01 00:00:00',
    'infinity', '-infinity', 'INFINITY', 'epoch', '', ' ', 'x', '2024-01-02 x', '2024-01-02 03', '2024-01-02 03:04:05 x', '2024-01-02 03:04:05 BC', '2024-01-02 03:04:05+01 BC', '2024-01-02 -05', '2024-01-02-05', '2024-01-02T', '01/02/2024 03:04:05', '03:04:05', '2024-01-02 03:04:05 Nowhere/X', '2024-01-02 03:04:05+', '2024-01-02 03:04:05++01', '2024-01-02 03:04:05+1:2:3', '2024-01-02 03:04:05+01:00:00', '2024-01-02 03:04:05+010203']) input;
insert into cases (kind, type, input)
select 'timestamp', pick('timestamp', 'timestamp', 'timestamp(0)', 'timestamp(1)', 'timestamp(2)', 'timestamp(3)', 'timestamp(4)', 'timestamp(5)'), t || pick('', '.' || digits(1 + upto(8))) || bc
from (select to_char(t, pick('YYYY-MM-DD HH24:MI:SS', 'YYYY-MM-DD"T"HH24:MI:SS', 'FMYYYY-MM-DD HH24:MI:SS')) as t, case when t < '0001-01-01' then ' BC' else '' end as bc
      from (select timestamp '4713-01-02 BC' + random() * pick('6900 years', '6900 years', '290000 years')::interval as t from generate_series(1, 2500)) a) b;
insert into cases (kind, type, input) values ('timestamp', 'timestamp', '294276-12-31 23:59:59.999999');

-- Timestamps with time zone: each zone around its changes of offset.
create function instants(zone text, first date, last date) returns setof timestamptz language sql as $$
    with days as (
        select d, (d at time zone zone) - (d at time zone 'UTC') as shift
        from generate_series(first::timestamp at time zone 'UTC', last::timestamp at time zone 'UTC', '1 day') d
    ), changes as (
        select d from (select d, shift, lead(shift) over (order by d) as next from days) c where shift <> next
    )
    -- Searched down to the second.
    select t from changes, lateral (
        select d + h * interval '1 second' as t
        from generate_series(0, 86400, 900) h
        where ((d + h * interval '1 second') at time zone zone) - ((d + h * interval '1 second') at time zone 'UTC')
           <> ((d + (h + 900) * interval '1 second') at time zone zone) - ((d + (h + 900) * interval '1 second') at time zone 'UTC')
    ) fine
$$;
-- Left out where releases of the time zone database differ from one another: Moldova's hour of
-- change, Iran in 1979, Morocco after 2026, and CET and EST as zones of their own.
create table zones as
select name from pg_timezone_names
where name !~ '^(posix|right)/' and name not in ('localtime', 'posixrules', 'Factory', 'Europe/Chisinau', 'Europe/Tiraspol');
-- Local times in and around gaps and overlaps, as the session's own and as a named zone.
insert into cases (kind, type, settings, input)
select 'timestamptz', 'timestamptz', 'TimeZone=' || name, local
from zones, lateral (
    select to_char(((t + step * interval '17 minutes') at time zone name), 'YYYY-MM-DD HH24:MI:SS') as local
    from instants(name, '2023-01-01', '2024-01-01') t, generate_series(-5, 6, 3) step
    union all select unnest(array['2024-01-15 12:00:00', '2024-07-15 12:00:00.5', '1999-12-31 23:59:59.999999'])
) l;
insert into cases (kind, type, settings, input)
select 'timestamptz', 'timestamptz', 'TimeZone=' || name, local
from unnest(array['America/New_York', 'Europe/London', 'Europe/Dublin', 'Australia/Lord_Howe', 'America/Sao_Paulo', 'Asia/Tehran', 'Africa/Casablanca', 'Pacific/Apia', 'Europe/Moscow']) name, lateral (
    select to_char(((t + step * interval '13 minutes') at time zone name), 'YYYY-MM-DD HH24:MI:SS') as local
    from instants(name, '1970-01-01', '2037-12-31') t, unnest(array[-4, 1, 4]) step
    where not (name = 'Asia/Tehran' and t < '1980-01-01') and not (name = 'Africa/Casablanca' and t > '2026-01-01')
) l;
-- Instants far away, shown in every zone: before its first rule, and by its last rule for ever.
insert into cases (kind, type, settings, input)
select 'timestamptz', 'timestamptz', 'TimeZone=' || name, input
from unnest(array['America/New_York', 'Europe/Paris', 'Asia/Kolkata', 'Australia/Lord_Howe', 'America/St_Johns', 'Pacific/Auckland', 'Africa/Monrovia', 'Asia/Kathmandu', 'UTC', 'GMT', 'Etc/GMT+5', 'EST5EDT',
        '<+02>-02', '<-05>+05', '<+05:30>-05:30', '<-03:30>+03:30', 'EST5', 'FOO-3:15', 'EST5EDT,M3.2.0,M11.1.0', '<-03>3<-02>,M3.5.0/-2,M10.5.0/-1', 'CET-1CEST,M3.5.0,M10.5.0/3']) name,
    unnest(array['4714-11-25 00:00:00+00 BC', '0044-03-15 12:00:00+00 BC', '0001-01-01 00:00:00+00', '1500-06-01 00:00:00+00', '1900-01-01 00:00:00+00', '2038-01-19 03:14:08+00', '2100-07-01 00:00:00+00', '2999-12-31 23:59:59.123456+00', '9500-07-01 00:00:00+00', '9999-12-31 23:59:59+00', '10000-07-01 00:00:00+00', '12345-03-26 01:00:00+00', '200000-12-01 00:00:00+00', '294276-12-30 00:00:00+00', '2024-03-10 06:59:59+00', '2024-03-10 07:00:00+00', '2024-11-03 06:00:00+00',
        '2024-03-10 02:30:00', '2024-11-03 01:30:00', '2024-03-31 02:30:00', '2024-10-27 02:30:00', '9876-03-31 02:30:00', '12024-07-01 12:00:00', '250000-01-31 02:30:00', '0100-07-01 00:00:00', '0500-01-01 00:00:00 BC']) input;
insert into cases (kind, type, input)
select 'timestamptz', type, input
from unnest(array['timestamptz', 'timestamptz(0)', 'timestamptz(3)']) type, unnest(array[
    '2024-01-02 03:04:05.678+01', '2024-01-02T03:04:05Z', '2024-01-02 03:04:05.678901+05:30', '2024-01-02 03:04:05-0330', '2024-01-02 03:04:05 -03:30', '2024-01-02 03:04:05+15:59:59', '2024-01-02 03:04:05-15:59:59', '2024-01-02 03:04:05+16', '2024-01-02 03:04:05+5', '2024-01-02 03:04:05+530', '2024-01-02 +01', '2024-01-02+01', '2024-01-02', '2024-01-02 03:04:05 z', '2024-01-02 03:04:05 GMT', '2024-01-02 03:04:05 utc',
    '2024-03-31 02:30:00 Europe/Paris', '2024-10-27 02:30:00 Europe/Paris', '2024-07-01 12:00 america/new_york', '2024-07-01 12:00 America/Argentina/Buenos_Aires', '2024-07-01 12:00:00 America/North_Dakota/New_Salem', '2024-07-01 12:00 Nowhere/Else', '2024-07-01 Europe/Paris', '12024-07-01 12:00 Europe/Paris',
    '294277-01-01 00:00:00+00', '294276-12-31 23:59:59-01', '294277-01-01 00:30:00+01', '294277-01-09 05:00:54.775807+01', '294277-01-09 03:00:54.775807-01', '4714-11-24 00:00:00+00 BC', '4714-11-24 00:00:00+01 BC', '4714-11-23 23:30:00-01 BC', 'infinity', '-infinity', 'epoch', '0001-01-01 00:00:00+00 BC', '0001-01-01 00:30:00+01', '1999-12-31 23:59:59.9999995+00', '2024-02-30 00:00+00', '2024-01-02 24:00:00+00', '', 'x', '2024-01-02 03:04:05+00:00 BC']) input;
insert into cases (kind, type, input) values ('timestamptz', 'timestamptz', '294276-12-31 23:59:59.999999+00');
insert into cases (kind, type, settings, input)
select 'timestamptz', pick('timestamptz', 'timestamptz', 'timestamptz(0)', 'timestamptz(2)', 'timestamptz(5)'), 'TimeZone=' || pick('UTC', 'Europe/Paris', 'Asia/Kolkata', 'America/Los_Angeles', '<+05:45>-05:45'),
    to_char(t, 'YYYY-MM-DD HH24:MI:SS') || pick('', '.' || digits(1 + upto(7))) || pick('', 'Z', '+00', '-08', '+05:30', ' +0100', '-03:30:15')
from (select timestamp '1970-01-01' + random() * interval '130 years' as t from generate_series(1, 1500)) a;

-- Times of day with a time zone. Without one in the text the session's zone counts, which must not
-- depend on the day.
insert into cases (kind, type, settings, input)
select 'timetz', type, 'TimeZone=' || zone, input
from unnest(array['timetz', 'timetz(0)', 'timetz(3)', 'timetz(6)']) type, unnest(array['UTC', '<+05:30>-05:30', '<-03>+03']) zone, unnest(array[
    '00:00:00', '24:00:00', '24:00:01', '23:59:60', '23:59:59.9999999', '23:59:59.95', '12:34', '1:2', '1:2:3', '12:34:56.7894', '12:34+01', '12:34:56-05:30', '12:34:56 Z', '12:34:56Z', '12:34 UTC', '12:34 GMT', '12:34:56+0530', '12:34:56 -0330', '12:34:56+15:59:59', '12:34:56-15:59:59', '12:34:56+16', '12:34:56-16',
    '12:34:56+00:00:17', '12:34:56-00:30', '04:05 PM', '04:05 AM+02', '13:00 PM', '12:60', '25:00', '', ' ', 'x', '12', '12:34:56x', ' 12:34:56 ', E'\n12:34+01\t', '12:34:56+', '12:34:56++01', '12:34:56+05:60', '12:34:56.123456789+01', '00:00:00.0005-08', '12:34:56.5 America/New_York', '2024-01-02 12:34 Europe/Paris']) input
where input !~ '/';
insert into cases (kind, type, input)
select 'timetz', pick('timetz', 'timetz(0)', 'timetz(2)', 'timetz(5)'),
    lpad(upto(24)::text, 2, '0') || ':' || lpad(upto(59)::text, 2, '0') || pick('', ':' || lpad(upto(59)::text, 2, '0'), ':' || lpad(upto(59)::text, 2, '0') || '.' || digits(1 + upto(8)))
    || pick('', 'Z', '+00', '-08', '+05:30', ' +0100', '-03:30:15', '+14', ' -12:00')
from generate_series(1, 2000);

-- Intervals: what is read depends on the type's fields and, by a sign in front, on the style.
create table styles as select * from unnest(array['postgres', 'postgres_verbose', 'sql_standard', 'iso_8601']) style;
insert into cases (kind, type, settings, input)
select 'interval', type, 'IntervalStyle=' || style, input
from styles, unnest(array['interval', 'interval(0)', 'interval(2)', 'interval year', 'interval month', 'interval day', 'interval hour', 'interval minute', 'interval second', 'interval second(1)',
    'interval year to month', 'interval day to hour', 'interval day to minute', 'interval day to second', 'interval day to second(3)', 'interval hour to minute', 'interval hour to second', 'interval minute to second']) type, unnest(array[
    '1', '-1', '1.5', '-1.5', '.5', '-.5', '1:02', '1:02:03', '-1:02:03.456', '1:02.5', '1-2', '-1-2', '1 2:03', '-1 2:03', '1-2 3 4:05:06', '-1-2 -3 -4:05:06', '+1-2 -3 +4:05:06.789',
    '1 year', '1 year 2 mons 3 days 04:05:06.789', '-1 years -2 mons +3 days -04:05:06', '1.5 years', '1.7 months', '2.5 weeks', '0.7 days', '1.5 hours', '1.123456789 seconds', '90 minutes', '36 hours', '45 days', 'P1Y2M3DT4H5M6S', 'P1Y2M', 'PT36H', 'P0001-02-03T04:05:06']) input;
insert into cases (kind, type, settings, input)
select 'interval', 'interval', 'IntervalStyle=' || style, input
from styles, unnest(array[
    '', ' ', '0', '00:00', '-0', '+5', '- 5', '+ 1:02', '1 day', '1 days', '1day', '1day2hours', '1d2h3m4s', '1y2mon3d', '1y2mons3d', '5 m', '5 min', '5 minutes', '5 mon', '1 w', '1 week', '1 dec', '1 decade', '2 decades', '1 c', '1 century', '1 mil', '1 millennium', '1 millennia', '1 ms', '1 msec', '1 milliseconds', '1 us', '1 usec', '1 microsecond', '1 microseconds', '1.5 us', '1.5 ms', '100000000000 us',
    '1 qtr', '1 quarter', '1 timezone', '1 fortnight', '1 daze', 'day', 'ago', '1 ago', '1 day ago', '1 day 2 hours ago', '-1 day ago', '1 day ago 2 hours', '@ 1 day', '@ 1 day ago', '@ 1 hour 2 mins 3.5 secs ago', '@ 0', '@', '1 @ day', '1, 2 hours', '1 day, 2 hours', '1 day; 2 hours', '(1 day)',
    '1 day 1 day', '1 day 2 days', '1 hour 2:03', '2:03 1 hour', '1 2', '1 2 hours', '1 2 3', '1 day 2', '1 hour 2', '1 month 2', '1 year 2', '2 1:00', '1:00 2', '1:2:3:4', '1:60', '1:59:61', '1:59:60', '1:02:03.', '1:02:03.9999999', '-1:-2', '1:-2', '1:+2', '25:00', '100:00', '1000000:00', '2562047788:00:54.775807', '2562047788:00:54.775808', '-2562047788:00:54.775807', '99999999999999999999:00', '1:99999999999',
    '2147483647 days', '2147483648 days', '-2147483648 days', '2147483647 months', '2147483648 months', '178956970 years 7 months', '178956970 years 8 months', '178956971 years', '-178956970 years -8 months', '-178956970 years -9 months', '2147483647 years', '2147483648 years', '999999999999999999999 days', '9223372036854775807 us', '9223372036854775808 us', '-9223372036854775808 us', '-9223372036854775808 us ago', '-2147483648 days ago', '300000 millennia', '1e5 days', '1e days', '1x', '1 x', 'x 1', '1/2', '1/2/3', '1.2.3', '1..2', '1-2-3', '1-12', '1-11', '-1-11', '1--2', '1-x', '1.-2', '1.x', '. days', '.', '-', '+', '-day', '+day', '-.', '1-2.5', '2024-01-02', 'jan 1', 'infinity', '-infinity', 'epoch', 'now',
    '0.5 months', '1.25 months', '-0.5 months', '0.033 months', '0.1 weeks', '-1.7 weeks', '0.49999999 years', '0.04166667 years', '0.1 decades', '0.01 centuries', '0.0001 millennia', '1.0000001 seconds', '1.0000005 seconds', '1.00000051 seconds', '-1.0000005 seconds', '0.0000001 days', '0.5 minutes', '0.123456789 hours',
    'P', 'PT', 'p1y', 'P1', 'P1Y', 'P-1Y', 'P1.5Y', 'P1M', 'P1.5M', 'P1W', 'P1.5W', 'P1D', 'P1.5D', 'PT1H', 'PT1.5H', 'PT1M', 'PT1.5M', 'PT1S', 'PT1.5S', 'PT-1.5S', 'PT.5S', 'PT1', 'PT1:2', 'PT1:2:3', 'PT1:2:3.5', 'PT1:2:3:4', 'PT1:', 'P1Y2M3W4DT5H6M7S', 'P1YT', 'P1YT1', 'P1Y1', 'P2Y1Y', 'PT1H1H', 'P1H', 'PT1Y', 'PT1D', 'P20240102', 'P20240102T030405', 'P20240102T030405.5', 'P2024010', 'P2024-01', 'P2024-01-02', 'P2024-01-02T03', 'P2024-01-02T03:04', 'P2024-01-02x', 'P1-2-3-4', 'P1-2T3', 'P-1-2', 'PT030405', 'PT0304', 'P1e2D', 'P1e400D', 'P1e16D', 'P1000000000000000D', 'PT1000000000000000S', 'PT1000000000000001S', 'P1Y 2M', ' P1Y', 'P1Y ', 'P1,5Y', 'PT1H-2M', 'P+1Y', 'P--1Y', 'P1Y2', 'P1Y-2', 'PTT1S', 'PT1ST2S',
    '1 year 2 mons', '-1 year -2 mons', '-1 year +2 days', '1 year -2 days', '1 day -00:00:01', '-1 day +00:00:01', '-00:00:00.5', '-1 day -00:00:00.5', '1 mon -1 day 1 sec', '1 sec', '-1 sec', '2 secs', '1.5 secs', '-1.5 secs', '1 min', '1 min 1 sec', '-1 min 1 sec', '1 mon', '1 mon -1 sec', '-1 mon 1 sec', '1 hour -1 sec',
    '1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1', repeat('0', 300), '1' || repeat(' ', 300) || 'day', '0.' || repeat('3', 200) || ' days', E'1\tday\n2\fhours', '1_000 days', '1 day#', '1 Day 2 HOURS AGO', 'ÄÖ', '1 tág']) input;
insert into cases (kind, type, settings, input)
select 'interval', pick('interval', 'interval', 'interval(3)', 'interval day to second(1)'), 'IntervalStyle=' || pick('postgres', 'postgres_verbose', 'sql_standard', 'iso_8601'),
    trim(pick('', pick('', '-', '+') || upto(3000) || pick('', '', '.' || digits(1 + upto(4))) || pick(' years', ' y', 'yrs', ' decades', ' cent')) || ' '
    || pick('', pick('', '-') || upto(40) || pick('', '', '.' || digits(1 + upto(6))) || pick(' months', ' mons', ' mon')) || ' '
    || pick('', pick('', '-') || upto(400) || pick('', '', '.' || digits(1 + upto(6))) || pick(' days', 'd', ' weeks', ' w', '')) || ' '
    || pick('', pick('', '-', '+') || upto(100) || ':' || lpad(upto(59)::text, 2, '0') || pick('', ':' || lpad(upto(59)::text, 2, '0') || pick('', '.' || digits(1 + upto(7)))), pick('', '-') || upto(100) || pick('', '.' || digits(1 + upto(6))) || pick(' hours', 'h', ' minutes', ' min', ' s', ' sec', ' ms', ' us')) || pick('', '', ' ago'))
from generate_series(1, 4000);
-- What was shown in one style is read in another.
insert into cases (kind, type, settings, input)
select 'interval', 'interval', 'IntervalStyle=' || s.style, shown
from styles s, generate_series(1, 400) n, lateral (
    select set_config('IntervalStyle', (array['postgres', 'postgres_verbose', 'sql_standard', 'iso_8601'])[1 + (n + length(s.style)) % 4], true),
        make_interval(months => upto(1) * (upto(400) - 200), days => upto(1) * (upto(400) - 200), secs => upto(1) * (random() * 400000 - 200000))::text as shown offset 0
) i;

-- Network addresses.
insert into cases (kind, type, input)
select 'network', type, input
from unnest(array['inet', 'cidr']) type, unnest(array[
    '', ' ', '1', '1.', '1.2', '1.2.', '1.2.3', '1.2.3.', '1.2.3.4', '1.2.3.4.', '1.2.3.4.5', '01.002.0003.4', '256.1.1.1', '1.2.3.256', '1.2.3.4/0', '1.2.3.4/1', '1.2.3.4/8', '1.2.3.4/24', '1.2.3.4/31', '1.2.3.4/32', '1.2.3.4/33', '1.2.3.4/032', '1.2.3.4/', '1.2.3.4/a', '1.2.3.4/-1', '1.2.3.4/24 ', ' 1.2.3.4', '1.2.3.4x', '1.2.3.4/24/8', '1.2.3/24', '1.2.3./24', '1.2/16', '1.2/24', '10/8', '10/16', '10/7', '10.0.0.0/8', '10.1.0.0/8', '192.168.0.0/16', '192.168.1.0/24', '192.168.1.1/24', '192.168.1', '192.168', '192', '224', '224.1', '225', '239.0', '240', '240.1', '128', '128.1', '127', '127.1', '0', '0/0', '0.0.0.0/0', '0.0.0.1/31', '255.255.255.255', '/8', '.1.2.3', '1..2', '0x', '0x1', '0x12', '0x123', '0x12345678', '0x123456789', '0XfF/8', '0xff.1', '0x0a/8', '0xc0/24', '1.2.3.0/23', '1.2.2.0/23', '-1.2.3.4', '1,2,3,4',
    '::', '::1', '1::', '::1/128', '::1/0', '::/0', '::1/129', '::1/00', '::1/01', '::1/0128', '::1/', '::1/x', '::1/12x', '1::2/64', '1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8/64', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7::', '::2:3:4:5:6:7:8', '1::3:4:5:6:7:8', '1:2:3:4:5:6:7:8::', '1::2::3', ':::', ':', ':1', '1:', '1:2:3:4:5:6:7:', ':1:2:3:4:5:6:7', '::12345', '::g', 'ABCD::ef01', '0001::0', '2001:db8::/32', '2001:db8::1/32', 'fe80::1%eth0', '::ffff:1.2.3.4', '::ffff:1.2.3.4/96', '::ffff:1.2.3.4/128', '::1.2.3.4', '::1.2.3.4/120', '::ffff:1.2.3', '::ffff:1.2.3.4.5', '::ffff:01.2.3.4', '::ffff:256.2.3.4', '::ffff:1.2.3.4/0128', '1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:7:1.2.3.4', '1:2:3:4:5:1.2.3.4', '::ffff:0:1.2.3.4', '::0:0', '0:0:0:0:0:0:0:0', '0:0:0:0:0:0:0:1', '0:0:0:0:0:0:1:0', '0:0:0:0:0:1:0:0', '0:0:0:0:0:ffff:0:1', '0:0:0:0:0:ffff:102:304', '0:0:0:0:1:0:0:0', '1:0:0:0:1:0:0:0', '1:0:0:1:0:0:0:1', '1:0:0:1:1:0:0:1', '1:0:2:0:3:0:4:0', '0:1:0:1:0:1:0:1', '1:2:3:4:5:6:0:0', '0:0:3:4:5:6:7:8', '64:ff9b::1.2.3.4', '1:2:3:4:5:6:7:8 ', ' ::1', '::1/64/64', '::.1', '1.2.3.4:1']) input;
insert into cases (kind, type, input)
select 'network', pick('inet', 'inet', 'cidr'), case upto(4)
    when 0 then upto(255) || '.' || upto(255) || '.' || upto(255) || '.' || upto(255) || pick('', '/' || upto(32), '/32')
    when 1 then upto(255) || '.' || pick('0', upto(255)::text) || '.0.0' || pick('/' || upto(16), '/16', '/24', '')
    when 2 then (select string_agg(pick('0', '0', to_hex(upto(65535)), 'ffff'), ':') from generate_series(1, 8 + 0 * n)) || pick('', '', '/' || upto(128))
    when 3 then (select string_agg(to_hex(upto(65535)), ':') from generate_series(1, 1 + upto(3) + 0 * n)) || '::' || (select coalesce(string_agg(to_hex(upto(65535)), ':'), '') from generate_series(1, upto(4) + 0 * n)) || pick('', '/' || upto(128), '/64')
    else pick('::', '::ffff:', '1::', '64:ff9b::', '::1:', '0:0:0:0:0:0:') || upto(255) || '.' || upto(255) || '.' || upto(260) || '.' || upto(255) || pick('', '/' || upto(128))
end
from generate_series(1, 3000) n;

-- Hardware addresses.
insert into cases (kind, type, input)
select 'macaddr', type, input
from unnest(array['macaddr', 'macaddr8']) type, unnest(array[
    '08:00:2b:01:02:03', '08-00-2b-01-02-03', '08002b:010203', '08002b-010203', '0800.2b01.0203', '0800-2b01-0203', '08002b010203', '08:00:2B:01:02:03', '8:0:2b:1:2:3', '08:00:2b:01:02', '08:00:2b:01:02:03:04', '08:00:2b:01:02:03:04:05', '08:00:2b:ff:fe:01:02:03', '08-00-2b-01-02-03-04-05', '08002b:0102030405', '08002b-0102030405', '0800.2b01.0203.0405', '0800-2b01-0203-0405', '08002b01:02030405', '08002b0102030405', '08:00-2b:01:02:03', '08.00.2b.01.02.03',
    '', ' ', ' 08:00:2b:01:02:03 ', E'\t08002b010203\n', '08:00:2b:01:02:03x', '08:00:2b:01:02:03 x', '08:00:2b:01:02:0g', '100:0:0:0:0:0', '08:00:2b:01:02:1ff', '-1:0:0:0:0:0', '+8:0:0:0:0:0', '08: 00:2b:01:02:03', '08 :00:2b:01:02:03', '0x8:0:2b:1:2:3', '0x08:0x00:0x2b:0x01:0x02:0x03', '08002b 010203', '08002b01020', '08002b0102030', '08002b01020304', '08002b010203040', '08002b010203x', '08002b010203xy', '0800:2b01:0203', '08:002b010203', '080:02b010203', '08002b.010203', ':08002b010203', '08002b010203:', '08:00:2b:01:02:03:', '08:00:2b:01:02:03:04:05:', '08:00:2b:01:02:03:04:05 ', '08:00:2b:01:02:03:04:05x', '08:00:2b:01:02:03:04:05:06', '0000:0000:0000', '0-0-0-0-0-0', '00000000000', 'gg:00:2b:01:02:03', '8.0.2b.1.2.3', '- 1:0:0:0:0:0']) input;
insert into cases (kind, type, input)
select 'macaddr', pick('macaddr', 'macaddr8'), case upto(3)
    when 0 then rtrim(regexp_replace(left(md5(n::text), pick('12', '12', '16')::int), '(..)', E'\\1' || pick(':', '-', '.', ''), 'g'), ':-.')
    when 1 then rtrim(regexp_replace(left(md5(n::text), pick('12', '16')::int), '(....)', E'\\1' || pick(':', '-', '.'), 'g'), ':-.')
    when 2 then regexp_replace(left(md5(n::text), pick('12', '12', '16')::int), '^(......)', E'\\1' || pick(':', '-', '.'))
    else overlay(rtrim(regexp_replace(left(md5(n::text), 12), '(..)', E'\\1:', 'g'), ':') placing pick('-', 'g', ' ', ':', 'A', '', '.') from 1 + upto(16) for 1)
end
from generate_series(1, 2000) n;

-- Money.
insert into cases (kind, type, input)
select 'money', 'money', input from unnest(array[
    '0', '1', '-1', '+1', '1.2', '1.23', '1.234', '1.235', '1.239', '-1.235', '$1', '-$1', '$-1', '$ 1', ' $1 ', '1$', '1 $', '$1$', '$$1', '($1)', '(1)', '(1', '1)', '-(1)', '1-', '1+', '$1-', '-1-', '--1', '1,000', '1,0,0,0', ',1', '1,', '1.,5', '1,.5', '$1,234.56', '-$1,234.56', '1.2.3', '1..2', '.5', '.', '$', '-', '', ' ', 'x', '1x', '1.23x', '1e3', '1 2', '1.23 4', '1.234567', '1.23 5', 'NaN', '€1', '1€', E'\t1\n', '0.005', '0.004', '0.995', '999.995',
    '92233720368547758.07', '92233720368547758.08', '-92233720368547758.08', '-92233720368547758.09', '92233720368547758.075', '92233720368547758.074', '99999999999999999999', '9223372036854775807', '922337203685477580', '92233720368547758', '-92233720368547758.085', '0000000000000000000000000001']) input;
insert into cases (kind, type, input)
select 'money', 'money', pick('', '', '-', '$', '-$', '(', ' ') || digits(1 + upto(17)) || pick('', '', '.' || digits(upto(5)), ',' || digits(3) || '.' || digits(2)) || pick('', '', ' ', '-', '$', ')')
from generate_series(1, 2000);

-- Bit strings.
insert into cases (kind, type, input)
select 'bit', type, input
from unnest(array['bit', 'bit(1)', 'bit(3)', 'bit(8)', 'bit(9)', 'bit varying', 'bit varying(3)', 'bit varying(12)']) type, unnest(array[
    '', '0', '1', '101', '1010', '11111111', '101010101', '000', '2', '10x', ' 1', '1 ', 'b101', 'B1', 'b', 'x', 'x1', 'X1f', 'xF', 'xfff', 'x1g', 'xg', 'bb1', '0x1', 'b2', '١', '1_0', '111111111111', '1111111111111', 'x000']) input;
insert into cases (kind, type, input)
select 'bit', pick('bit(7)', 'bit(16)', 'bit varying', 'bit varying(20)'), case upto(2)
    when 0 then pick('', 'b', 'B') || regexp_replace(digits(upto(24)), '[02468]', '0', 'g') || pick('', '1', '0')
    when 1 then pick('x', 'X') || left(md5(n::text), upto(6))
    else (('x' || left(md5(n::text), 4))::bit(16))::text
end
from generate_series(1, 1500) n;
update cases set input = regexp_replace(input, '[13579]', '1', 'g') where kind = 'bit' and input ~ '^[bB]?[0-9]+$' and n % 10 <> 0;

-- Names.
insert into cases (kind, type, input)
select 'name', 'name', input from unnest(array['', ' ', 'a', 'a ', ' a', 'Abc', '"a"', 'NULL', repeat('x', 62), repeat('x', 63), repeat('x', 64), repeat('x', 200), repeat('ü', 31), repeat('ü', 32), 'a' || repeat('ü', 31), repeat('語', 21), repeat('語', 22), 'ab' || repeat('語', 21), repeat('😀', 16), 'abc' || repeat('😀', 15), 'abcd' || repeat('😀', 15), repeat(' ', 64)]) input;
insert into cases (kind, type, input)
select 'name', 'name', (select coalesce(string_agg(pick('a', 'ü', '語', '😀', ' ', '_'), ''), '') from generate_series(1, upto(70) + 0 * n)) from generate_series(1, 300) n;

-- XML content; only with a server that was built with it.
insert into cases (kind, type, input)
select 'xml', 'xml', input from unnest(array[
    '', ' ', 'x', E'\nx', E'\n\nx', '<a/>', '<a></a>', '<a>x</a>', '<a/><b/>', 'x<a/>y', '<a', '<a>', '</a>', '<a></b>', '<a><b></a></b>', '<a b="c"/>', '<a b=''c''/>', '<a b = "c" />', '<a b="c"d="e"/>', '<a b="c" b="d"/>', '<a b=c/>', '<a b/>', '<a b="<"/>', '<a b=">"/>', '<a b="&lt;"/>', '<a b="&"/>', '< a/>', '<a />', E'<a\n/>', '<a/ >', '<1/>', '<-a/>', '<_a/>', '<a-b.c1/>', '<:a/>', '<p:a/>', '<p:a xmlns:p="u"/>', '<ü/>', '<語>x</語>', '<a><![CDATA[<b>&]]></a>', '<![CDATA[x]]>', '<![CDATA[x', '<![CDATA[]]]]>', 'x]]>y', '<a>]]></a>', '<a b="]]>"/>', ']]', '<!-- c -->', '<!-- c -- d -->', '<!-- c --->', '<!---->', '<!--', '<!-- <a> -->', '<?pi?>', '<?pi data?>', '<?pi', '<?pi ?>', '<?pi?x?>', '<? pi?>', '<?xml-stylesheet href="x"?>', '<a/><?xml version="1.0"?>', '<?xml-a?><b/>', '<?XML?>',
    '&amp;', '&lt;&gt;&quot;&apos;', '&', '&amp', '&foo;', '& ', '&#65;', '&#x41;', '&#x1F600;', '&#0;', '&#1;', '&#9;', '&#xD800;', '&#xFFFE;', '&#x110000;', '&#;', '&#x;', '&#xg;', '&#6 5;', '&#X41;', '&;', '"', '''', '>', '<', '<>', '</>', '<a><', '<!a>', '<!DOCTYPEa>', '<a><!DOCTYPE a></a>',
    '<?xml version="1.0"?><a/>', '<?xml version="1.0"?>', E'<?xml version="1.0"?>\n<a/>', E'<?xml version="1.0"?>\n\n<a/>', '<?xml version=''1.0''?>x', '<?xml version="1.0" encoding="UTF-8"?><a/>', '<?xml version="1.0" encoding="LATIN1"?><a/>', '<?xml version="1.0" standalone="yes"?><a/>', '<?xml version="1.0" standalone=''no''?><a/>', '<?xml version="1.0" encoding="UTF-8" standalone="yes"?><a/>', '<?xml version="1.1"?><a/>', E'<?xml version="1.1"?>\n<a/>', '<?xml version="1.0" standalone="maybe"?><a/>', '<?xml version="1.0" standalone="yes" encoding="UTF-8"?><a/>', '<?xml?><a/>', '<?xml ?><a/>', '<?xml encoding="UTF-8"?><a/>', '<?xml version?><a/>', '<?xml version="1.0"', '<?xml version="1.0"><a/>', '<?xml version="1.0"encoding="UTF-8"?><a/>', '<?xml version = "1.0" ?><a/>', ' <?xml version="1.0"?><a/>', '<?xml version="1.0"? ><a/>', '<?xml  version="1.0"  standalone = "yes"  ?><a/>',
    E'a\u0001', E'a\u0085', E'a\u007f', E'a\uFFFE', E'a\uFFFD', E'\r\n<a/>\r', repeat('<a>', 100) || repeat('</a>', 100), repeat('<a>', 255) || repeat('</a>', 255), '<a>' || repeat('x', 3000) || '</a>', '<a b="' || repeat('x', 3000) || '"/>', '<a>ü😀</a>', '<a xmlns="u" xmlns:b="v"><b:c b:d="e" d="f"/></a>', '<a xmlns:b="v" xmlns:c="v" b:d="" c:d=""/>']) input;
create function random_xml(depth int) returns text volatile language plpgsql as $$
begin
    return case upto(case when depth > 3 then 6 else 9 end)
        when 0 then pick('text', 'ü', ' ', E'\n', 'a > b', '"')
        when 1 then pick('&amp;', '&lt;', '&#228;', '&#x1f600;', '&nbsp;', '&')
        when 2 then '<!--' || pick(' c ', '', '-', '--', 'x-y') || '-->'
        when 3 then '<?' || pick('pi', 'a-b', '', 'xml') || pick('', ' ', ' data') || '?>'
        when 4 then '<![CDATA[' || pick('', '<x>', ']]', '&') || ']]>'
        when 5 then '<' || pick('a', 'b:c', '_', '2') || pick('', ' ', ' x="1"', ' x=''"''', ' x="1" y="&gt;"', ' x="1" x="2"') || '/>'
        when 6 then pick('text', '')
        else '<a' || pick('', ' x="1"', E'\n') || '>' || (select coalesce(string_agg(random_xml(depth + 1), ''), '') from generate_series(1, upto(4))) || pick('</a>', '</a >', '</a>', '</a>', '</b>')
    end;
end $$;
insert into cases (kind, type, input) select 'xml', 'xml', random_xml(0) || random_xml(0) from generate_series(1, 800);

-- Labels of an enumerated type, whose sort order is not the order in which a manifest lists them.
create type mood as enum ('happy', 'ok', 'a b', 'sad', 'größe, "x"', 'NULL');
insert into cases (kind, type, input)
select 'enum', 'mood', input from unnest(array['happy', 'ok', 'sad', 'a b', 'größe, "x"', 'NULL', 'null', '', ' ', 'Happy', ' ok', 'ok ', 'angry', repeat('x', 64), repeat('x', 200), 'okok', 'größe', '0', '1', '"ok"']) input;

-- Ranges.
insert into cases (kind, type, input)
select 'range', type, replace(replace(input, 'A', a), 'B', b)
from (values ('int4range', '1', '9'), ('int8range', '-5', '5000000000'), ('numrange', '1.10', '2.500'), ('daterange', '2024-01-02', '2024-02-29'), ('tsrange', '2024-01-02 03:04:05', '2024-02-29 12:00'), ('tstzrange', '2024-01-02 03:04:05+01', '2024-02-29 12:00')) r (type, a, b), unnest(array[
    'empty', 'EMPTY', ' Empty ', 'empty x', 'emptyx', '', ' ', '[A,B]', '[A,B)', '(A,B]', '(A,B)', ' [A,B) ', '[ A , B ]', '[B,A]', '(B,A)', '[A,A]', '[A,A)', '(A,A]', '(A,A)', '[A,]', '[,B]', '[,]', '(,)', '(A,)', '(,B)', '[A', '[A,', '[A,B', 'A,B', '(A)', '(A,B,A)', '[A,B] x', '[A,B]]', '["A","B"]', '["A,B)', '[A"",B)', '["A"",B)', '[\A,B)', '["A" ,B)', '["",B)', '[A,"")', '[ ,B)', '[A, )', '{A,B}', '[A;B]', '[x,B)', '[A,x)', '((A,B)', '[A,[B)', '[A,B\)', '[A,B)\', '[infinity,B)', '[A,infinity)', '[A,infinity]', '[-infinity,B]', '(-infinity,infinity)', '[-infinity,infinity]', '(infinity,infinity]', '[infinity,infinity]', '[NaN,NaN]', '[A,NaN)', '(NaN,)', '[null,B)', '[A,null]']) input
-- Dates and times skip parentheses.
where type !~ '^(date|ts)' or input not in ('((A,B)', '[A,[B)');
insert into cases (kind, type, input)
select 'range', type, input from (values
    ('int4range', '[1,2)'), ('int4range', '(1,2)'), ('int4range', '(1,3)'), ('int4range', '[2147483647,2147483647)'), ('int4range', '[2147483647,2147483647]'), ('int4range', '(2147483647,)'), ('int4range', '[1,2147483647]'), ('int4range', '[1,2147483648)'), ('int4range', '(2147483646,2147483647)'), ('int4range', '[-2147483648,0)'), ('int4range', '[1.5,2)'),
    ('int8range', '[1,9223372036854775807]'), ('int8range', '(9223372036854775807,)'), ('int8range', '[9223372036854775807,9223372036854775807)'), ('int8range', '(-9223372036854775808,0]'), ('int8range', '[9223372036854775808,)'),
    ('numrange', '[1,1.0]'), ('numrange', '[1,1.0)'), ('numrange', '[1.0,1.00]'), ('numrange', '[1e3,1e4]'), ('numrange', '[-1.5,-1.25]'), ('numrange', '[-1.25,-1.5]'), ('numrange', '[-0.001,0]'), ('numrange', '[0,0.001]'), ('numrange', '[0,-0.001]'), ('numrange', '[9999,10000]'), ('numrange', '[10000,9999]'), ('numrange', '[0.0001,0.00001]'), ('numrange', '[12345678.9,12345679]'), ('numrange', '[-Infinity,1]'), ('numrange', '[1,-Infinity]'), ('numrange', '[Infinity,NaN]'), ('numrange', '[NaN,Infinity]'), ('numrange', '(NaN,NaN)'),
    ('daterange', '[2024-01-01,2024-01-01]'), ('daterange', '(2024-01-01,2024-01-02)'), ('daterange', '[5874897-12-31,]'), ('daterange', '[2024-01-01,5874897-12-31]'), ('daterange', '(5874897-12-31,)'), ('daterange', '[4714-11-24 BC,0001-01-01 BC]'), ('daterange', '(infinity,infinity)'), ('daterange', '[-infinity,-infinity]'), ('daterange', '(-infinity,2024-01-01]'),
    ('tsrange', '[2024-01-01,2024-01-01]'), ('tsrange', '["2024-01-01 00:00:00.1","2024-01-01 00:00:00.2")'), ('tsrange', '[4714-11-24 00:00 BC,294276-12-31 23:59:59]'), ('tsrange', '["2024-01-01","2023-01-01"]'),
    ('tstzrange', '["2024-03-31 02:30 Europe/Paris",)'), ('tstzrange', '[2024-01-01 00:00+01,2023-12-31 23:00+00]')) v (type, input);
insert into cases (kind, type, input)
select 'range', 'int4range', pick('[', '(') || pick('', (upto(20) - 10)::text) || ',' || pick('', (upto(20) - 10)::text) || pick(']', ')') from generate_series(1, 800);
insert into cases (kind, type, input)
select 'range', 'numrange', pick('[', '(') || pick('', (upto(20) - 10) || pick('', '.') || digits(upto(6))) || ',' || pick('', (upto(20) - 10) || pick('', '.') || digits(upto(6))) || pick(']', ')') from generate_series(1, 1500);
insert into cases (kind, type, input)
select 'range', 'daterange', pick('[', '(') || pick('', (date '2024-01-01' + upto(9))::text) || ',' || pick('', (date '2024-01-01' + upto(9))::text) || pick(']', ')') from generate_series(1, 500);
insert into cases (kind, type, settings, input)
select 'range', pick('tsrange', 'tstzrange', 'tstzrange'), 'TimeZone=' || pick('UTC', 'Europe/Paris', '<+05:45>-05:45'), pick('[', '(') || pick('', '"' || (timestamp '2024-01-01' + upto(99999) * interval '1 minute') || '"') || ',' || pick('', (timestamp '2024-01-01' + upto(99999) * interval '61 seconds') || pick('', '+01')) || pick(']', ')') from generate_series(1, 1000);

-- Arrays.
insert into cases (kind, type, input)
select 'array', type, input
from unnest(array['text[]', 'int4[]', 'varchar(3)[]', 'bool[]']) type, unnest(array[
    '{}', ' { } ', '{{}}', '{{},{}}', '{ {} }', '{1}', '{1,0}', '{ 1 , 0 }', E'{\t1\n,0\f}', '{1,0', '1,0}', '{1,0}}', '{1,0} x', ' {1,0} ', '{1,,0}', '{,1}', '{1,}', '{,}', '{NULL}', '{null,1}', '{Null ,1}', '{"NULL"}', '{"1"}', '{"1","0"}', '{"1" , "0"}', '{"1"x}', '{x"1"}', '{"1" "0"}', '{\1}', '{1\}', '{"1\"}', '{"\1"}', '{""}', '{1;0}', '{{1,0},{1,1}}', '{{1},{0}}', '{{1,0},{1}}', '{{1},0}', '{1,{0}}', '{{1}', '{{{1}}}', '{{{{{{1}}}}}}', '{{{{{{{1}}}}}}}', '{{1,NULL},{NULL,0}}', '{ { 1 , 0 } , { 1 , 1 } }', '{{1}{0}}', '{{1},}', '{1 0}', '{abcd}', '{"a b","c,d"}', '{a b}', '{ab }', '{"ab   "}', '{"a\"b","c\\d"}', '{a\ }', '{\ a}', '{''}', '{(1)}', '{[1]}',
    '[1:2]={1,0}', '[0:1]={1,0}', '[-1:0]={1,0}', '[+1:2]={1,0}', '[2]={1,0}', '[1]={1,0}', '[5:6]={1,0}', '[1:2] = {1,0}', '[1:2]= {1,0}', ' [1:2]={1,0}', '[1:2]{1,0}', '[1:1]={1,0}', '[1:3]={1,0}', '[2:1]={1,0}', '[1:0]={}', '[1:1]={}', '[0:0]={}', '[1:2][1:1]={{1},{0}}', '[0:1][5:5]={{1},{0}}', '[1:2][1:1]={1,0}', '[1:2]={{1},{0}}', '[]={1}', '[x]={1}', '[1:]={1}', '[:1]={1}', '[1:1={1}', '[1:1]', '[1:1]=', '[1:1]=1', '[1:1][1:1][1:1][1:1][1:1][1:1]={{{{{{1}}}}}}', '[1:1][1:1][1:1][1:1][1:1][1:1][1:1]={{{{{{{1}}}}}}}', '[2147483647:2147483647]={1}', '[2147483646:2147483646]={1}', '[-2147483648:-2147483648]={1}', '', ' ', 'NULL', '{', '}', '{"', '{\', '{{', '{}{}', '{1}{0}']) input;
insert into cases (kind, type, input)
select 'array', type, input from (values
    ('int2[]', '{32767,-32768}'), ('int2[]', '{32768}'), ('int8[]', '{9223372036854775807, -1}'), ('int4[]', '{1,x}'), ('int4[]', '{1,99999999999}'),
    ('numeric(6,2)[]', '{1,1.005,-3.14159,NULL,NaN}'), ('numeric(6,2)[]', '{99999.99}'), ('numeric[]', '{1.10,1e3,0.000}'), ('float8[]', '{1.5,NaN,Infinity,1e300}'), ('float4[]', '{0.1,1e10}'),
    ('char(3)[]', '{a,"ab ",abc,"abc  ",NULL}'), ('char(3)[]', '{abcd}'), ('bpchar[]', '{a,"b "}'), ('varchar(3)[]', '{abc,"abc  "}'), ('name[]', '{a,"B c"}'),
    ('bytea[]', '{"\\x00ff","abc\\000",NULL}'), ('bytea[]', '{\\x61}'), ('uuid[]', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,NULL}'), ('uuid[]', '{x}'),
    ('date[]', '{2024-01-02,infinity,"0044-03-15 BC"}'), ('date[]', '{2024-02-30}'), ('time(0)[]', '{12:34:56.7,24:00}'), ('timetz[]', '{12:34+01,"12:34:56 -05:30"}'), ('timestamp(0)[]', '{"2024-01-02 03:04:05.6",infinity}'), ('timestamptz[]', '{"2024-01-02 03:04:05+01",NULL}'), ('interval[]', '{"1 day",02:03,"1 mon -3 days"}'), ('interval day[]', '{1,2}'), ('interval year to month[]', '{1-2,"3 years"}'),
    ('json[]', '{"{\"a\": 1}",null,"null","[1, 2]"}'), ('jsonb[]', '{"{\"b\":1,\"a\":[1,2]}","1","null"}'), ('jsonb[]', '{"{"}'), ('inet[]', '{1.2.3.4,10.0.0.1/8,::1}'), ('cidr[]', '{10/8,2001:db8::/32}'), ('cidr[]', '{10.0.0.1/8}'), ('macaddr[]', '{08:00:2b:01:02:03,0800.2b01.0203}'), ('macaddr8[]', '{08002b0102030405}'), ('money[]', '{$1.50,"$1,234.50",-2}'), ('bit(3)[]', '{101,000,NULL}'), ('bit(3)[]', '{1010}'), ('bit varying(2)[]', '{1,01}'), ('bit varying(2)[]', '{111}'), ('xml[]', '{<a/>,"<b c=\"d\"/>",x}'), ('xml[]', '{<a>}'),
    ('mood[]', '{happy,"NULL",NULL,"a b","größe, \"x\""}'), ('mood[]', '{happy,angry}'), ('int4range[]', '{"[1,5)",empty,"(,3]",NULL}'), ('int4range[]', '{"[5,1)"}'), ('numrange[]', '{"[1.10,2.5)"}'), ('daterange[]', '{"[2024-01-01,2024-01-31]"}'), ('tsrange[]', '{"[\"2024-01-01 00:00:00\",)"}'), ('tstzrange[]', '{"[2024-01-01 00:00+01,)"}'), ('bool[]', '{t,false,yes}'), ('bool[]', '{maybe}')) v (type, input);
create function random_array(depth int, width int) returns text volatile language plpgsql as $$
declare
    inner_width int := 1 + upto(2);
    item text;
    items text[] := '{}';
begin
    for i in 1..width loop
        item := case when depth > 0 then random_array(depth - 1, inner_width)
            else pick('1', '0', ' 1', '"0"', 'NULL', 'null', '"NULL"', '7', '\1', '"a b"', 'a', '"x\"y"', '""', '"ü,😀"', '{', '', '"\\"') end;
        items := items || item;
    end loop;
    return '{' || array_to_string(items, pick(',', ', ', ' ,')) || '}';
end $$;
insert into cases (kind, type, input)
select 'array', pick('text[]', 'text[]', 'int4[]', 'varchar(2)[]', 'bpchar[]', 'numeric[]'), pick('', '', '', '[0:1]=', '[2:4]=') || random_array(case upto(4) when 0 then 1 when 1 then 2 else 0 end, 1 + upto(3))
from generate_series(1, 3000);

-- What the server reads and this library refuses, because it cannot promise the same reading.
insert into cases (kind, type, input)
select 'refused', type, input
from unnest(array['date', 'timestamp', 'timestamptz']) type, unnest(array[
    'January 8, 1999', '8 Jan 1999', 'Jan-08-1999', '08-Jan-99', '1999-Jan-08', '20240102', '240102', '20240102T030405', '20240102 030405', '2024.123', '2024-123', 'J2451187', 'today', 'tomorrow', 'yesterday', 'now', 'January 8, 99 BC', 'Mon Jan 02 03:04:05 2024', '2024-01-02 03:04:05 EST', '2024-01-02 03:04:05 CET', '2024-01-02 03:04:05 PDT', '2024-01-02 03:04:05 CET DST', '2024-01-02 03:04:05 zulu', '2024-01-02 030405', '2024-01-02 allballs', 'Monday 2024-01-02', '2024--01-02', '2024-01-02 BC 03:04:05', '2024-01-02 03:04:05 BC +01', '2024-01-02 T03:04:05', '2024-01-02 03:04:05 + 01']) input;
insert into cases (kind, type, input)
select 'refused', 'time', input from unnest(array['now', 'allballs', '040506', '0405', 'T040506', '04:05:06 PST', '2024-01-02 04:05:06', '04:05:06 EST5EDT', '12:', '012:34:56']) input;
insert into cases (kind, type, input) values ('refused', 'float8', '0x1A'), ('refused', 'float4', '0x1p3'), ('refused', 'float8', 'nan(7)');
insert into cases (kind, type, input) values ('refused', 'timetz', 'now'), ('refused', 'timetz', 'allballs'), ('refused', 'timetz', '12:34 America/New_York'), ('refused', 'timetz', '2024-01-02 12:34 Europe/Paris'), ('refused', 'timetz', '040506+01'), ('refused', 'timetz', '12:34 PST');

-- Values of one type in columns of another: assigned, and compared with what is stored there.
create table samples (family text, columns text[], wires text[], inputs text[]);
insert into samples values
    ('number', array['int2', 'int4', 'int8', 'float4', 'float8', 'numeric', 'numeric(6,2)', 'numeric(3,-1)'], array['int2', 'int4', 'int8', 'float4', 'float8', 'numeric'],
        array['0', '1', '-1', '7.0', '0.5', '1.5', '2.5', '-2.5', '0.1', '0.10', '0.125', '10', '20', '25', '32767', '32768', '100000', '16777216', '16777217', '2147483647', '2147483648', '2147483647.5', '9007199254740993', '9223372036854775807', '9223372036854775808', '-9223372036854775808', '1e20', '1e39', '1e300', '1e-50', '1e-300', '1234.567', '1234.57', 'NaN', 'Infinity', '-Infinity', '3221225472']),
    ('string', array['text', 'varchar', 'varchar(3)', 'char(3)', 'bpchar'], array['text', 'varchar', 'bpchar'],
        array['', ' ', '   ', 'a', 'a ', 'a  ', 'a   ', ' a', 'abc', 'abc ', 'abcd', 'ab cd', 'ä', 'äöü ', 'A']),
    ('moment', array['date', 'time', 'time(0)', 'timestamp', 'timestamp(0)', 'timestamptz', 'timestamptz(0)'], array['date', 'time', 'timestamp', 'timestamptz'],
        array['2024-01-02', '2024-01-02 00:00:00', '2024-01-02 00:00:00.5', '2024-01-02 05:00:00+00', '2024-01-02 12:34:56.6', '2024-01-02 12:34:57', '12:34:56.5', '12:34:57', '00:00:00', '2024-03-10 02:30:00', '2024-03-10 03:30:00', '2024-11-03 01:30:00', '2024-11-03 01:30:00-04', '2024-11-03 01:30:00-05', 'infinity', '-infinity', '5874897-12-31', '4714-11-24 BC', '294276-12-31', '1970-01-01']),
    ('document', array['json', 'jsonb'], array['json', 'jsonb'], array['{"b":1,"a":[1.50,2]}', '1', ' null ', '"\u0041"', '"\u0000"', '{"a":1,"a":2}']),
    ('other', array['bool', 'bytea', 'uuid', 'text', 'int4'], array['bool', 'bytea', 'uuid', 'text', 'int4'], array['1', '0', 't', 'abc', '\x61', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11']),
    ('name', array['name', 'text', 'varchar', 'char(3)', 'bpchar'], array['name', 'text', 'varchar', 'bpchar'], array['', ' ', 'a', 'a ', 'abc', 'abcd', 'A', repeat('x', 63), repeat('x', 64), repeat('x', 70)]),
    ('network', array['inet', 'cidr'], array['inet', 'cidr'], array['10.0.0.1', '10.0.0.1/32', '10.0.0.1/8', '10.0.0.0/8', '10', '10.0.0.0', '10.0.0.0/32', '::1', '::1/128', '2001:db8::/32', '2001:db8::1/32', '::ffff:1.2.3.4', '1.2.3.4']),
    ('hardware', array['macaddr', 'macaddr8'], array['macaddr', 'macaddr8'], array['08:00:2b:01:02:03', '08:00:2b:01:02:04', '08:00:2b:ff:fe:01:02:03', '08:00:2b:01:02:03:04:05']),
    ('bits', array['bit(3)', 'bit(1)', 'bit varying', 'bit varying(4)'], array['"bit"', 'varbit'], array['', '0', '1', '101', '1010', '10101', '000', '0000']),
    ('amount', array['money', 'int4', 'numeric', 'numeric(6,2)', 'float8', 'text'], array['money', 'int2', 'int4', 'int8', 'numeric', 'float8'], array['0', '1', '-1', '1.005', '-1.005', '1.004', '12345678901', '92233720368547758', '92233720368547759', '92233720368547758.07', '92233720368547758.075', '-92233720368547758.085', '1e30', '1e300', 'NaN', 'Infinity', '$1.00']),
    ('duration', array['interval', 'interval day', 'interval(0)', 'interval minute to second', 'interval year'], array['interval'], array['1', '1.5', '1:02', '1 day', '24 hours', '1 mon', '30 days', '1-2', '1.7 secs', '-1.5 secs', '2 years 3 mons']),
    ('zoned', array['timetz', 'timetz(0)'], array['timetz'], array['12:00+01', '11:00+00', '12:00:00.4+01', '11:59:59.6+01', '12:00+01:00', '24:00+00', '00:00-05']),
    ('range', array['int4range', 'int8range', 'numrange', 'daterange', 'tsrange', 'tstzrange'], array['int4range', 'int8range', 'numrange', 'daterange', 'tsrange', 'tstzrange'], array['empty', '[1,5)', '[1,4]', '(0,5)', '(0,4]', '[1,1)', '[1.0,4.00]', '[1.0,5)', '(,)', '[1,)', '(0,)', '(,5)', '(,4]', '[2024-01-01,2024-01-31]', '[2024-01-01,2024-02-01)', '(2023-12-31,2024-02-01)', '["2024-01-01 00:00+00","2024-01-02 00:00+00")', '["2023-12-31 19:00-05","2024-01-02 00:00+00")', '[2024-01-01,2024-01-01]', '[2024-01-01,infinity)', '[2024-01-01,infinity]']),
    ('list', array['int4[]', 'int8[]', 'text[]', 'varchar(3)[]', 'char(3)[]', 'numeric[]', 'numeric(4,1)[]', 'float8[]', 'bool[]'], array['int4[]', 'int8[]', 'text[]', 'varchar[]', 'bpchar[]', 'numeric[]', 'float8[]'], array['{}', '{1}', '{1,2}', '{2,1}', '{{1,2}}', '{{1},{2}}', '[0:1]={1,2}', '{1,NULL}', '{NULL,1}', '{NULL}', '{1.0}', '{1.00,2}', '{1.25}', '{abc}', '{"abc "}', '{"a","a  "}', '{abcd}', '{NaN,1}', '{5000000000}', '{"1"}']),
    ('markup', array['xml', 'text'], array['xml', 'text'], array['<a/>', 'x', '<?xml version="1.0"?><a/>']);

-- The server's answers.
create table results (like cases, sqlstate text, binary_form text, output text);

create procedure answer() language plpgsql as $$
declare
    c cases;
    tables text[] := '{}';
    setting text[];
    statement text;
    sent text;
    shown text;
begin
    for c in select * from cases order by n loop
        if not c.type = any (tables) then
            execute format('create temp table %I (v %s)', 'probe_' || c.type, c.type);
            tables := tables || c.type;
        end if;
        perform set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO, MDY', false),
            set_config('extra_float_digits', '1', false), set_config('bytea_output', 'hex', false),
            set_config('IntervalStyle', 'postgres', false);
        if c.settings <> '' then
            -- One setting per case; POSIX zones contain equals signs no more than once.
            setting := regexp_match(c.settings, '^([^=]*)=(.*)$');
            perform set_config(setting[1], setting[2], false);
        end if;
        begin
            -- An untyped literal is assigned, so that lengths are enforced and not cut.
            select format('insert into %I values (%L) returning encode(%s(v), ''hex''), textin(%s(v))',
                          'probe_' || c.type, c.input, typsend, typoutput)
                into statement
                from pg_attribute join pg_type on pg_type.oid = atttypid
                where attrelid = format('%I', 'probe_' || c.type)::regclass and attnum = 1;
            execute statement into sent, shown;
        exception when others then
            insert into results values (c.n, c.kind, c.type, c.settings, c.input, sqlstate, null, null);
            continue;
        end;
        insert into results values (c.n, c.kind, c.type, c.settings, c.input, '00000', sent, shown);
    end loop;
end $$;

create function value_of(input text, wire text) returns text language sql as
$$ select format('%L::%s', input, wire) $$;

-- The values that the type accepts.
create function accepted(inputs text[], type text) returns setof text language plpgsql as $$
declare
    input text;
begin
    foreach input in array inputs loop
        begin
            execute 'select ' || value_of(input, type);
            return next input;
        exception when others then null;
        end;
    end loop;
end $$;

create table assignments (n serial, type text, wire text, input text, sqlstate text, binary_form text, output text);
create table comparisons (n serial, type text, wire text, stored text, probe text, answer text);

create procedure answer_coercions() language plpgsql as $$
declare
    sample samples;
    col text;
    wire text;
    probe text;
    sent text;
    shown text;
    send text;
    output text;
    stored text;
    inputs text[];
    kept text[];
    answer text;
begin
    set timezone = 'America/New_York';
    for sample in select * from samples loop
        foreach col in array sample.columns loop
            execute format('create temp table coerced (v %s)', col);
            select typsend, typoutput into send, output
                from pg_attribute join pg_type on pg_type.oid = atttypid
                where attrelid = 'coerced'::regclass and attnum = 1;
            kept := '{}';
            foreach stored in array sample.inputs loop
                begin
                    execute format('insert into coerced values (%L)', stored);
                    kept := kept || stored;
                exception when others then null;
                end;
            end loop;
            foreach wire in array sample.wires loop
                inputs := array(select accepted(sample.inputs, wire));
                foreach probe in array inputs loop
                    begin
                        execute format('insert into coerced values (%s) returning encode(%s(v), ''hex''), textin(%s(v))', value_of(probe, wire), send, output)
                            into sent, shown;
                        insert into assignments (type, wire, input, sqlstate, binary_form, output) values (col, wire, probe, '00000', sent, shown);
                    exception when others then
                        insert into assignments (type, wire, input, sqlstate) values (col, wire, probe, sqlstate);
                    end;
                    foreach stored in array kept loop
                        truncate coerced;
                        execute format('insert into coerced values (%L)', stored);
                        begin
                            execute format('select v = %s from coerced', value_of(probe, wire)) into answer;
                        exception when others then
                            answer := sqlstate;
                        end;
                        insert into comparisons (type, wire, stored, probe, answer) values (col, wire, stored, probe, answer);
                    end loop;
                end loop;
            end loop;
            drop table coerced;
        end loop;
    end loop;
end $$;

call answer();
call answer_coercions();
