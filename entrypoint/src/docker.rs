//! Waiting for the docker daemon that the job will use. Knows no lifecycle and no setting.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use supervise::StateFile;
use tokio::time::{Instant, sleep, timeout};

/// Between two looks. A socket on a shared volume gives no event in this container that is cheaper than looking.
const PAUSE: Duration = Duration::from_millis(50);

/// One question to the daemon.
const ANSWER: Duration = Duration::from_secs(5);

/// Waits until the daemon at `host` answers, at most `budget`.
///
/// `sidecar` is where the daemon's container keeps its state; when it was alive and is no longer, waiting on is useless.
///
/// # Errors
/// A sentence that says what was wrong at the last look, with a hint.
pub(crate) async fn wait(host: &str, sidecar: &Path, budget: Duration) -> Result<(), String> {
    let client = client(host)?;
    let ends = Instant::now() + budget;
    let mut seen_alive = false;
    loop {
        let problem = match look(&client, host).await {
            Ok(()) => return Ok(()),
            Err(problem) => problem,
        };
        let alive = StateFile::is_held(sidecar);
        if seen_alive && !alive {
            return Err(format!("the docker sidecar ended while this runner waited for it: {problem}\nhint: its own log says why"));
        }
        seen_alive |= alive;
        if Instant::now() + PAUSE >= ends {
            return Err(format!(
                "docker is not ready after {} s (WAIT_FOR_DOCKER_SECONDS): {problem}\n{}",
                budget.as_secs(),
                hint(host, seen_alive)
            ));
        }
        sleep(PAUSE).await;
    }
}

/// One look.
///
/// # Errors
/// A sentence that says what was wrong.
pub(crate) async fn answers(host: &str) -> Result<(), String> {
    look(&client(host)?, host).await
}

fn client(host: &str) -> Result<reqwest::Client, String> {
    // The library wants a provider even for a client that never speaks TLS; a second installation changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Never through a proxy: the daemon is beside us.
    let mut builder = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    if let Some(path) = host.strip_prefix("unix://") {
        builder = builder.unix_socket(PathBuf::from(path));
    }
    builder.build().map_err(|error| format!("DOCKER_HOST {host} cannot be used: {error}"))
}

async fn look(client: &reqwest::Client, host: &str) -> Result<(), String> {
    let base = match host.strip_prefix("tcp://") {
        Some(address) => format!("http://{address}"),
        None => "http://docker".to_owned(),
    };
    if let Some(path) = host.strip_prefix("unix://")
        && !Path::new(path).exists()
    {
        return Err(format!("there is no socket at {path}"));
    }
    match timeout(ANSWER, client.get(format!("{base}/_ping")).send()).await {
        Err(_) => Err(format!("{host} does not answer within {} s", ANSWER.as_secs())),
        Ok(Err(error)) => Err(format!("{host}: {}", innermost(&error))),
        Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
        Ok(Ok(answer)) => Err(format!("{host} answers {}", answer.status())),
    }
}

/// The last cause says what the system said; those around it say "error sending request".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

fn hint(host: &str, sidecar_lives: bool) -> String {
    match host.strip_prefix("unix://").and_then(|path| Path::new(path).parent()) {
        _ if sidecar_lives => "hint: the sidecar lives but is not ready; its own log says what it waits for".to_owned(),
        Some(folder) => format!(
            "hint: is {} one volume, mounted at this path in both containers? Set DISABLE_WAIT_FOR_DOCKER=yes to start without docker",
            folder.display()
        ),
        None => "hint: set DISABLE_WAIT_FOR_DOCKER=yes to start without docker".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::UnixListener,
    };

    use super::*;

    fn run<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    }

    fn serve(listener: UnixListener, status: &'static str) {
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes()).await;
            }
        });
    }

    #[test]
    fn a_daemon_that_comes_later_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("docker.sock");
        let host = format!("unix://{}", path.display());
        run(async {
            let waiting = tokio::spawn({
                let (host, dir) = (host.clone(), dir.path().to_owned());
                async move { wait(&host, &dir, Duration::from_secs(30)).await }
            });
            tokio::task::yield_now().await;
            serve(UnixListener::bind(&path).unwrap(), "200 OK");
            waiting.await.unwrap().unwrap();
        });
    }

    #[test]
    fn what_is_wrong_is_said_when_the_time_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("docker.sock");
        let host = format!("unix://{}", path.display());
        let wait = || run(wait(&host, dir.path(), Duration::from_millis(120)));
        assert!(wait().unwrap_err().contains("there is no socket at"));
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(wait().unwrap_err().contains("refused"));
        std::fs::remove_file(&path).unwrap();
        let refused = run(async {
            serve(UnixListener::bind(&path).unwrap(), "500 Oops");
            super::wait(&host, dir.path(), Duration::from_millis(300)).await
        });
        assert!(refused.unwrap_err().contains("answers 500"));
    }

    #[test]
    fn a_sidecar_that_died_ends_the_waiting_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let sidecar = dir.path().join("dind");
        let mut alive = StateFile::at(&sidecar, "sidecar");
        alive.claim().unwrap();
        let host = format!("unix://{}", dir.path().join("docker.sock").display());
        let (died, waited) = run(async {
            let waiting = tokio::spawn({
                let sidecar = sidecar.clone();
                async move { wait(&host, &sidecar, Duration::from_secs(600)).await }
            });
            sleep(PAUSE * 3).await;
            drop(alive);
            let started = Instant::now();
            (waiting.await.unwrap().unwrap_err(), started.elapsed())
        });
        assert!(died.starts_with("the docker sidecar ended"), "{died}");
        assert!(waited < Duration::from_secs(60));
    }
}
