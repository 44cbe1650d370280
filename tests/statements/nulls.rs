//! `NULL` where the server settles its type before it sees the encrypted column beside it.

use crate::{MODES, Twins};

#[tokio::test]
async fn a_null_is_of_its_places_type_wherever_it_stands() {
    let mut twins = Twins::new().await;
    for mode in MODES {
        twins
            .works(
                mode,
                &[
                    "UPDATE people p SET email = v.e, note = v.n FROM (VALUES (1, NULL, NULL)) AS v (i, e, n) \
                     WHERE p.id = v.i RETURNING p.email, p.note",
                    "UPDATE people p SET email = v.e FROM (VALUES (1, NULL), (2, 'zqxmarker-v')) AS v (i, e) \
                     WHERE p.id = v.i RETURNING p.id, p.email",
                    "UPDATE people SET note = CASE WHEN id = 1 THEN NULL END RETURNING note",
                    "UPDATE people SET note = CASE id WHEN 1 THEN NULL WHEN 2 THEN 'zqxmarker-w' ELSE NULL END \
                     RETURNING note",
                    "UPDATE people SET phone = COALESCE(NULL, NULL) WHERE id = 2",
                    "UPDATE people SET (phone, name) = (SELECT NULL, 'x') WHERE id = 2 RETURNING phone, name",
                    "UPDATE people SET phone = (SELECT null) WHERE id = 2 RETURNING phone",
                    "WITH v AS (SELECT NULL AS e) UPDATE people SET phone = e FROM v WHERE id = 3 RETURNING phone",
                    "INSERT INTO people (id, email) SELECT * FROM (VALUES (50, NULL)) AS v RETURNING email",
                    "INSERT INTO people (id, email) SELECT i, e FROM (SELECT 51 AS i, NULL AS e) AS v RETURNING email",
                    "INSERT INTO people (id, email) SELECT i, e FROM (SELECT 52 AS i, NULL::text AS e) AS v \
                     RETURNING email",
                    "INSERT INTO people (id, email) SELECT i, e FROM (SELECT 53 AS i, CAST(NULL AS text) AS e) AS v \
                     RETURNING email",
                    "INSERT INTO people (id, note) SELECT a, COALESCE(b, 'zqxmarker-c') \
                     FROM (VALUES (54, NULL)) AS v (a, b) RETURNING note",
                    "DELETE FROM people WHERE id >= 50",
                    "SELECT id FROM people WHERE email = (SELECT NULL)",
                    "SELECT id FROM people WHERE email IN (SELECT NULL)",
                    "SELECT id FROM people WHERE email = ANY (ARRAY[NULL])",
                    "SELECT e FROM (SELECT NULL AS e) AS v UNION ALL SELECT email FROM people WHERE id = 2",
                    "SELECT email FROM people WHERE id = 2 UNION ALL SELECT e FROM (VALUES (NULL)) AS v (e)",
                    "SELECT v.a, p.id FROM (VALUES (1, NULL), (2, NULL)) AS v (a, b) LEFT JOIN people p ON p.email = v.b \
                     ORDER BY v.a",
                    // Plain ones are what they were.
                    "SELECT n, pg_typeof(n) FROM (SELECT NULL AS n) AS v, people WHERE email IS NULL",
                    "UPDATE people SET name = (SELECT NULL) WHERE email = 'zqxmarker-v'",
                ],
            )
            .await;
    }
    twins.finish();
}
