//! Arrays of cells: the `bytea[]` that goes to the server for an array of values.

use sealwire_core::value::array::Array;
use zeroize::Zeroizing;

use crate::catalogue::push_hex;

/// Appends an array of cells as the text of a `bytea[]`, to stand between single quotes.
pub(crate) fn write_cells_text(mut array: Array, out: &mut String) {
    for cell in array.elements.iter_mut().flatten() {
        let mut text = String::from("\\x");
        push_hex(&mut text, cell);
        *cell = Zeroizing::new(text.into_bytes());
    }
    let mut text = Vec::new();
    array.write_text(&mut text);
    // Digits and punctuation.
    out.push_str(&String::from_utf8_lossy(&text));
}

#[cfg(test)]
mod tests {
    use sealwire_core::value::{Settings, ValueError};

    use super::*;

    #[test]
    fn cells_keep_the_shape_of_their_array() {
        let cell = |_: &[u8]| Ok::<_, ValueError>(Zeroizing::new(vec![0x11, 0xab]));
        let array = Array::read_text(b"{a,NULL}", &Settings::default(), cell).unwrap();
        let mut text = String::new();
        write_cells_text(array, &mut text);
        assert_eq!(text, r#"{"\\x11ab",NULL}"#);
    }
}
