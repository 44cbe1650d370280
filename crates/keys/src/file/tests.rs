use super::*;
use crate::{KeyProvider, WrapContext};

const ID: [u8; 16] = *b"0123456789abcdef";

async fn round_trip(provider: &FileProvider) -> Result<(), ProviderError> {
    let key = Zeroizing::new([7; KEY_LEN]);
    let wrapped = provider.wrap(WrapContext::cek(&ID), &key).await?;
    let back = provider.unwrap(WrapContext::cek(&ID), &wrapped).await?;
    assert_eq!(*back, *key);
    Ok(())
}

#[tokio::test]
async fn a_created_key_file_works_and_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.key");
    create_key_file(&path).unwrap();
    let before = fs::read(&path).unwrap();
    round_trip(&FileProvider::new(&path)).await.unwrap();

    let again = create_key_file(&path).unwrap_err();
    assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_key_unwraps_under_its_own_context_and_file_only() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (dir.path().join("a"), dir.path().join("b"));
    create_key_file(&ours).unwrap();
    create_key_file(&theirs).unwrap();
    let (ours, theirs) = (FileProvider::new(ours), FileProvider::new(theirs));
    let wrapped = ours
        .wrap(WrapContext::cek(&ID), &Zeroizing::new([7; KEY_LEN]))
        .await
        .unwrap();
    for (provider, context) in [
        (&theirs, WrapContext::cek(&ID)),
        (&ours, WrapContext::cek(&[0; 16])),
        (&ours, WrapContext::manifest(&ID)),
    ] {
        let error = provider.unwrap(context, &wrapped).await.unwrap_err();
        assert_eq!(error, ProviderError::WrongKey);
    }
    let short = ours.unwrap(WrapContext::cek(&ID), &wrapped[..60]).await;
    assert_eq!(short.unwrap_err(), ProviderError::WrongKey);
}

#[cfg(unix)]
#[tokio::test]
async fn a_key_file_that_others_can_read_is_refused_with_the_command() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.key");
    create_key_file(&path).unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);

    for mode in [0o640, 0o604, 0o620, 0o666] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = round_trip(&FileProvider::new(&path)).await.unwrap_err();
        let shown = path.display();
        assert_eq!(
            error.to_string(),
            format!(
                "refusing key file `{shown}`: its permissions {mode:04o} let others at it; \
                 run `chmod 600 '{shown}'`"
            )
        );
        let told = FileProvider::from_uri(&format!("{shown}?allow_insecure_permissions=yes"));
        round_trip(&told.unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_key_file_is_said_without_showing_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.key");
    create_key_file(&path).unwrap();
    let good = fs::read_to_string(&path).unwrap();
    let start = "does not start with `sealwire-master-key-1:`";
    let damaged = "is cut short, too long or mistyped: its checksum does not fit";
    for (content, expected) in [
        ("", start),
        ("hunter2", start),
        (&good[..60], damaged),
        (&format!("{good}{good}"), damaged),
    ] {
        fs::write(&path, content).unwrap();
        let error = round_trip(&FileProvider::new(&path)).await.unwrap_err();
        let expected = format!("key file `{}` {expected}", path.display());
        assert_eq!(error.to_string(), expected);
    }

    let missing = round_trip(&FileProvider::new(dir.path().join("none"))).await;
    assert!(matches!(missing, Err(ProviderError::Unavailable(_))));
    let directory = round_trip(&FileProvider::new(dir.path())).await;
    assert!(matches!(directory, Err(ProviderError::Configuration(_))));
}

#[test]
fn an_unknown_option_lists_the_known_one() {
    for bad in [
        "/k?allow_insecure_permissions",
        "/k?allow_insecure_permissions=true",
        "/k?mode=0644",
    ] {
        let error = FileProvider::from_uri(bad).unwrap_err().to_string();
        assert!(
            error.ends_with("there is `allow_insecure_permissions=yes|no`"),
            "{error}"
        );
    }
    assert!(FileProvider::from_uri("").is_err());
}
