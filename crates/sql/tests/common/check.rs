//! Statements and what they come to.

use crate::schema::World;
use crate::summary::summary;

#[track_caller]
pub(crate) fn check(world: &World, table: &[(&str, &str)]) {
    for (sql, expected) in table {
        assert_eq!(summary(world, sql), *expected, "{sql}");
    }
}
