//! Arrays of cells: the `bytea[]` that goes to the server for an array of values.

use sealwire_core::types::ScalarType;
use sealwire_core::value::array::Array;

use crate::catalogue::push_hex;

/// Appends a binary `bytea[]` of an array's shape; `cells` are the elements.
pub(crate) fn write_cells(array: &Array, cells: &[Option<Vec<u8>>], out: &mut Vec<u8>) {
    array.write_binary(ScalarType::Bytea.oid(), cells, out);
}

/// Appends a `bytea[]` of an array's shape as text, to stand between single quotes.
pub(crate) fn write_cells_text(array: &Array, cells: &[Option<Vec<u8>>], out: &mut String) {
    let hex = |cell: &Vec<u8>| {
        let mut text = String::from("\\x");
        push_hex(&mut text, cell);
        text.into_bytes()
    };
    let cells: Vec<_> = cells.iter().map(|cell| cell.as_ref().map(hex)).collect();
    let mut text = Vec::new();
    array.write_text(&cells, &mut text);
    // Digits and punctuation.
    out.push_str(&String::from_utf8_lossy(&text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_keep_the_shape_of_their_array() {
        let array = Array::read_text(b"{a,NULL}").unwrap();
        let cells = [Some(vec![0x11, 0xab]), None];
        let mut text = String::new();
        write_cells_text(&array, &cells, &mut text);
        assert_eq!(text, r#"{"\\x11ab",NULL}"#);
        let mut bytes = Vec::new();
        write_cells(&array, &cells, &mut bytes);
        let back = Array::read_binary(&bytes).unwrap();
        assert_eq!(back.element_oid, Some(17));
        assert_eq!(back.elements.len(), 2);
    }
}
