//! A server in a container, where a Docker daemon answers.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use testcontainers::core::IntoContainerPort;
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt, TestcontainersError};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, Config};

use super::certificate::Certificates;
use super::releases::release;
use super::{Unavailable, connect, with_causes};

/// The script that ends the container when the tests are gone.
const LEASE: &str = include_str!("lease.sh");

/// `application_name` of the connection that keeps the container.
const LEASE_NAME: &str = "sealwire-tests-lease";

/// Password of the role `postgres`; the container is private to one test process.
const PASSWORD: &str = "sealwire-tests";

/// Time from the container's start to the first connection.
const READY_TIMEOUT: Duration = Duration::from_secs(100);

/// A running container. Dropping it removes the container.
pub(crate) struct Container {
    authority_pem: String,
    admin: Config,
    /// The lease and the container; taken by `drop`, as is the runtime that drives both.
    held: Option<(Client, ContainerAsync<GenericImage>)>,
    runtime: Option<Runtime>,
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container").finish_non_exhaustive()
    }
}

/// Whether it is worth a line that there is no container.
#[derive(Debug)]
pub(super) enum StartError {
    /// No daemon answers: the usual case on many machines.
    NoDaemon(String),
    /// A daemon answers, and yet there is no container.
    Failed(String),
}

impl From<StartError> for Unavailable {
    fn from(error: StartError) -> Self {
        match error {
            StartError::NoDaemon(text) => Self(format!("no Docker daemon answers: {text}")),
            StartError::Failed(text) => Self(format!("no container could be started: {text}")),
        }
    }
}

impl Container {
    /// Starts the official image of a major version.
    pub(super) fn start(major: Option<u32>, connections: u32) -> Result<Self, StartError> {
        let release = release(major)
            .ok_or_else(|| StartError::Failed("no such version is pinned".to_owned()))?;
        let failed = |error: &dyn std::error::Error| StartError::Failed(with_causes(error));
        let certificates = Certificates::make().map_err(|error| failed(&error))?;
        let request = GenericImage::new("postgres", release.tag)
            .with_exposed_port(5432.tcp())
            .with_env_var("POSTGRES_PASSWORD", PASSWORD)
            .with_env_var("POSTGRES_HOST_AUTH_METHOD", "scram-sha-256")
            .with_env_var(
                "POSTGRES_INITDB_ARGS",
                "--auth-host=scram-sha-256 --no-sync",
            )
            .with_env_var("SEALWIRE_SERVER_CERTIFICATE", certificates.server)
            .with_env_var("SEALWIRE_SERVER_CONNECTIONS", connections.to_string())
            .with_env_var("SEALWIRE_SERVER_KEY", certificates.server_key)
            .with_cmd(["sh", "-c", LEASE, "sh", LEASE_NAME])
            .with_host_config_modifier(|config| config.auto_remove = Some(true));

        // In a thread of its own: the caller may be inside a runtime, which must neither block on
        // another one nor drop it.
        let started = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .map_err(|error| StartError::Failed(error.to_string()))?;
            let (admin, held) = runtime.block_on(async {
                let container = request.start().await.map_err(classify)?;
                let admin = admin(&container).await.map_err(classify)?;
                let lease = lease(&admin).await?;
                Ok((admin, (lease, container)))
            })?;
            Ok((admin, held, runtime))
        })
        .join()
        .map_err(|_| StartError::Failed("testcontainers panicked".to_owned()))?;
        let (admin, held, runtime) = started?;
        Ok(Self {
            authority_pem: certificates.authority,
            admin,
            held: Some(held),
            runtime: Some(runtime),
        })
    }

    pub(super) fn admin(&self) -> Config {
        self.admin.clone()
    }

    pub(super) fn authority_pem(&self) -> &str {
        &self.authority_pem
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let (Some((lease, container)), Some(runtime)) = (self.held.take(), self.runtime.take())
        else {
            return;
        };
        let _ = std::thread::spawn(move || {
            let removed = runtime.block_on(container.rm());
            drop(lease);
            if let Err(error) = removed {
                eprintln!("cannot remove the container: {}", with_causes(&error));
            }
        })
        .join();
    }
}

/// testcontainers has no case of its own for a missing daemon; every first call then fails with
/// the client library's connection error.
fn classify(error: TestcontainersError) -> StartError {
    let text = with_causes(&error);
    let answers = std::env::var_os("DOCKER_HOST").is_some()
        || std::os::unix::net::UnixStream::connect(Path::new("/var/run/docker.sock")).is_ok();
    if answers {
        StartError::Failed(text)
    } else {
        StartError::NoDaemon(text)
    }
}

async fn admin(container: &ContainerAsync<GenericImage>) -> Result<Config, TestcontainersError> {
    let mut config = Config::new();
    config
        .host(container.get_host().await?.to_string())
        .port(container.get_host_port_ipv4(5432.tcp()).await?)
        .user("postgres")
        .password(PASSWORD)
        .dbname("postgres");
    Ok(config)
}

/// Connects until the server is up. The image's first start listens on its socket only, so an
/// answer over TCP means that the server is the final one.
async fn lease(admin: &Config) -> Result<Client, StartError> {
    let mut config = admin.clone();
    config
        .application_name(LEASE_NAME)
        .connect_timeout(Duration::from_secs(5));
    let deadline = Instant::now() + READY_TIMEOUT;
    loop {
        match connect(&config).await {
            Ok(client) => {
                let taken = client.batch_execute("CREATE TABLE public.sealwire_tests_lease ()");
                return match taken.await {
                    Ok(()) => Ok(client),
                    Err(error) => Err(StartError::Failed(with_causes(&error))),
                };
            }
            Err(error) if Instant::now() > deadline => {
                return Err(StartError::Failed(with_causes(&error)));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
