//! Owns the folder shared with the runner's container: who may write what in it.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// The folder cannot be made as both sides need it.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {cause}\nhint: mount one volume at TASK_DIR in both containers", path.display())]
pub struct FolderError {
    operation: &'static str,
    path: PathBuf,
    cause: io::Error,
}

/// Makes the folder, which only root may write so that no job can take the socket away, and in it `runner/`, where the runner's side
/// keeps its lock: everybody may write there, because that side need not be root.
///
/// # Errors
/// The file system refuses.
pub fn make(folder: &Path) -> Result<(), FolderError> {
    directory(folder, 0o755)?;
    directory(&folder.join("runner"), 0o1777)
}

fn directory(path: &Path, mode: u32) -> Result<(), FolderError> {
    let error = |operation| move |cause| FolderError { operation, path: path.to_owned(), cause };
    fs::create_dir_all(path).map_err(error("make"))?;
    // Also when it was there: a fresh volume is 0755 or 0777 as its platform likes.
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(error("set the mode of"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_writes_the_folder_and_everybody_the_runners_part() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("run/task");
        fs::create_dir_all(folder.join("runner")).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        make(&folder).unwrap();
        make(&folder).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&folder), mode(&folder.join("runner"))), (0o755, 0o1777));
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = make(&file.path().join("task")).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot make {}", file.path().join("task").display())), "{error}");
    }
}
