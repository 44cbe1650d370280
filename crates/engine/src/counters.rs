//! What a session has done, in numbers.

/// Numbers since the session began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Texts (of Parse and Query) that name nothing encrypted.
    pub statements_plain: u64,
    /// Texts that were planned.
    pub statements_planned: u64,
    /// Texts that were refused.
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
