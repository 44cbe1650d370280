//! Padding: section 5.2 of the specification.

/// The smallest padding block, in bytes: of one byte would hide nothing.
pub(super) const MIN_BLOCK: usize = 2;

const MARK: u8 = 0x80;

/// The length of a padded value: the next multiple of `block`, at least one byte more. `None`
/// when no `usize` holds it.
pub(super) fn padded_len(len: usize, block: usize) -> Option<usize> {
    len.checked_div(block)?.checked_add(1)?.checked_mul(block)
}

/// Appends the padding of a value of `len` bytes that `out` ends with.
pub(super) fn pad(out: &mut Vec<u8>, padding: usize) {
    let end = out.len() + padding;
    out.push(MARK);
    out.resize(end, 0);
}

/// The length of the value in `padded`, which is a positive multiple of `block` long: before the
/// last `80`, which is in the last block and which only zeros follow.
///
/// What it reads has been authenticated, so its timing tells an attacker nothing about bytes that
/// he chose.
pub(super) fn unpad(padded: &[u8], block: usize) -> Option<usize> {
    let mark = padded.iter().rposition(|&byte| byte != 0)?;
    (padded[mark] == MARK && padded.len() - mark <= block).then_some(mark)
}
