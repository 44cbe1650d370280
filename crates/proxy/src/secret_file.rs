//! Files that only the proxy should be able to read.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::Error;

/// What is in the file. A group may read it, as container platforms hand secrets out, but not
/// everybody.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<String>, Error> {
    let shown = path.display();
    let failed = |error: std::io::Error| Error::at(path, "read", &error);
    let mut file = File::open(path).map_err(failed)?;
    // Asked of the opened file, so that the answer is about the bytes that are read.
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o007 != 0 {
        return Err(Error::new(format_args!(
            "refusing `{shown}`: every user may read or write it"
        ))
        .with_hint(format!("run `chmod 0600 {shown}`")));
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}
