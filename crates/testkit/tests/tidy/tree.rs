//! The files of the repository.

use std::fs;
use std::path::{Path, PathBuf};

/// Directories that are not part of the source.
const SKIPPED: [&str; 3] = [".git", "target", "node_modules"];

/// A text file, its path relative to the repository.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the repository")
}

/// All text files whose name ends so; `""` for all.
pub(crate) fn files(ending: &str) -> Vec<File> {
    let root = root();
    let mut found = Vec::new();
    collect(&root, &root, ending, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no file ends in `{ending}`");
    found
}

fn collect(root: &Path, directory: &Path, ending: &str, found: &mut Vec<File>) {
    for entry in fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("a readable entry").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_symlink() || SKIPPED.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, ending, found);
        } else if name.ends_with(ending)
            && let Ok(text) = fs::read_to_string(&path)
        {
            let path = path.strip_prefix(root).expect("below the root");
            found.push(File {
                path: path.to_string_lossy().into_owned(),
                text,
            });
        }
    }
}
