//! Clients with TLS whose authentication ends at the proxy, in front of a server with TLS.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use sealwire_proxy::SslMode;
use sealwire_testkit::fixture::Fixture;
use tokio_postgres::Config;
use tokio_postgres::config::ChannelBinding;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::certificates::{Authority, trusting, with_tls};
use crate::client_tls::wanting_tls;
use crate::support::*;

/// A proxy with TLS on both sides that has the secret of the fixture's role.
struct Terminating {
    proxy: Running,
    list: PathBuf,
    config: Config,
    tls: MakeRustlsConnect,
}

async fn write_list(list: &PathBuf, fixture: &Fixture) {
    let admin = fixture.sealed().connect_superuser().await;
    let role = fixture.sealed().owner();
    let sql = "SELECT rolpassword FROM pg_authid WHERE rolname = $1";
    let secret: String = admin.query_one(sql, &[&role]).await.unwrap().get(0);
    std::fs::write(list, format!("\"{role}\" = \"{secret}\"\n")).unwrap();
    std::fs::set_permissions(list, Permissions::from_mode(0o600)).unwrap();
}

async fn terminating(fixture: &Fixture) -> Terminating {
    let authority = Authority::new();
    let list = fixture.directory().join("roles.toml");
    write_list(&list, fixture).await;
    let mut settings = with_tls(fixture, &authority);
    settings.server.sslmode = SslMode::Require;
    settings.auth.roles = Some(list.clone());
    let proxy = Running::start(settings).await;
    Terminating {
        config: wanting_tls(&proxy, fixture),
        tls: trusting(&authority.pem()),
        proxy,
        list,
    }
}

#[tokio::test]
async fn a_client_is_authenticated_with_its_binding_and_without() {
    let fixture = Fixture::new(people()).await;
    let Terminating {
        proxy,
        mut config,
        tls,
        ..
    } = terminating(&fixture).await;
    for (id, binding) in [
        (1, ChannelBinding::Require),
        (2, ChannelBinding::Prefer),
        (3, ChannelBinding::Disable),
    ] {
        config.channel_binding(binding);
        let client = connect(&config, tls.clone())
            .await
            .unwrap_or_else(|error| panic!("{binding:?}: {}", everything(&error)));
        assert!(server_has_tls(&client).await);
        works(&client, id).await;
    }
    // Without TLS it is between client and server, as ever.
    works(&proxy.client(&fixture).await, 4).await;
    proxy.settle(0.0).await;
}

#[tokio::test]
async fn a_wrong_password_is_refused_at_the_proxy() {
    let fixture = Fixture::new(people()).await;
    let Terminating {
        proxy,
        mut config,
        tls,
        ..
    } = terminating(&fixture).await;
    let before = failures(&fixture);
    for binding in [ChannelBinding::Require, ChannelBinding::Disable] {
        config.channel_binding(binding).password("wrong");
        let error = refused(&config, tls.clone()).await;
        assert_eq!(code(&error), "28P01", "{}", everything(&error));
        let message = error.as_db_error().unwrap().message();
        assert!(message.contains(fixture.sealed().owner()), "{message}");
    }
    assert_eq!(failures(&fixture), before, "the server was tried");
    proxy.settle(0.0).await;
}

/// How often the server has refused the fixture's role.
fn failures(fixture: &Fixture) -> usize {
    let log = fixture.sealed().server().log().expect("the server's log");
    let words = format!(
        "password authentication failed for user \"{}\"",
        fixture.sealed().owner()
    );
    log.matches(&words).count()
}

#[tokio::test]
async fn a_password_that_has_changed_needs_its_new_secret() {
    let fixture = Fixture::new(people()).await;
    let Terminating {
        proxy,
        list,
        mut config,
        tls,
    } = terminating(&fixture).await;
    let admin = fixture.sealed().connect_superuser().await;
    let role = fixture.sealed().owner();
    let sql = format!("ALTER ROLE \"{role}\" PASSWORD 'another'");
    admin.batch_execute(&sql).await.unwrap();

    // Who knows the old password is told what is the matter, and is not let in.
    let error = refused(&config, tls.clone()).await;
    assert_eq!(code(&error), "28P01");
    let hint = error.as_db_error().unwrap().hint().unwrap_or_default();
    assert!(hint.contains("secret"), "{}", everything(&error));
    config.password("another");
    let error = refused(&config, tls.clone()).await;
    assert_eq!(code(&error), "28P01");

    write_list(&list, &fixture).await;
    proxy.handle.reload().await.unwrap();
    works(&connect(&config, tls.clone()).await.unwrap(), 1).await;

    // A list that cannot be used changes nothing.
    std::fs::write(&list, "nonsense").unwrap();
    proxy.handle.reload().await.unwrap_err();
    works(&connect(&config, tls).await.unwrap(), 2).await;
}

#[tokio::test]
async fn a_role_that_is_not_listed_passes_through() {
    let fixture = Fixture::new(people()).await;
    let Terminating {
        proxy,
        list,
        mut config,
        tls,
    } = terminating(&fixture).await;
    std::fs::write(&list, "").unwrap();
    proxy.handle.reload().await.unwrap();
    config.channel_binding(ChannelBinding::Prefer);
    assert_eq!(code(&refused(&config, tls.clone()).await), "28000");
    config.channel_binding(ChannelBinding::Disable);
    works(&connect(&config, tls).await.unwrap(), 1).await;
}

/// A server that asks for no password still has the client prove itself to the proxy.
#[tokio::test]
async fn a_server_that_trusts_the_proxy_does_not_open_it_to_everybody() {
    let fixture = Fixture::new(people()).await;
    let authority = Authority::new();
    let list = fixture.directory().join("roles.toml");
    write_list(&list, &fixture).await;
    let mut settings = with_tls(&fixture, &authority);
    settings.server.hosts = settings_without_password(&fixture).server.hosts;
    settings.auth.roles = Some(list);
    let proxy = Running::start(settings).await;
    let tls = trusting(&authority.pem());
    let mut config = wanting_tls(&proxy, &fixture);
    for (id, binding) in [(1, ChannelBinding::Require), (2, ChannelBinding::Disable)] {
        config.channel_binding(binding);
        works(&connect(&config, tls.clone()).await.unwrap(), id).await;
    }
    config.password("wrong");
    assert_eq!(code(&refused(&config, tls).await), "28P01");
    proxy.settle(0.0).await;
}
