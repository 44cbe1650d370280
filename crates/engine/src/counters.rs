//! What a session has done, in numbers.

use std::ops::AddAssign;

/// Numbers since the session began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Statement texts that name nothing encrypted. A text counts each time it is prepared, or sent
    /// as a simple query; executions of a prepared statement do not count.
    pub statements_plain: u64,
    /// Statement texts that were planned.
    pub statements_planned: u64,
    /// Statement texts that were refused.
    pub statements_refused: u64,
    /// Cells sealed.
    pub cells_sealed: u64,
    /// Cells opened.
    pub cells_opened: u64,
    /// Cells that did not open, or whose value could not be given.
    pub cells_rejected: u64,
}

impl Counters {
    /// What has been added since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            statements_plain: self.statements_plain - earlier.statements_plain,
            statements_planned: self.statements_planned - earlier.statements_planned,
            statements_refused: self.statements_refused - earlier.statements_refused,
            cells_sealed: self.cells_sealed - earlier.cells_sealed,
            cells_opened: self.cells_opened - earlier.cells_opened,
            cells_rejected: self.cells_rejected - earlier.cells_rejected,
        }
    }
}

impl AddAssign for Counters {
    fn add_assign(&mut self, more: Self) {
        self.statements_plain += more.statements_plain;
        self.statements_planned += more.statements_planned;
        self.statements_refused += more.statements_refused;
        self.cells_sealed += more.cells_sealed;
        self.cells_opened += more.cells_opened;
        self.cells_rejected += more.cells_rejected;
    }
}
