//! Waiting until the job can use docker: the daemon answers, its container has our folders, the externals are there for it. Knows no
//! lifecycle and no setting.

mod externals;

use std::{
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::unistd::{getegid, geteuid, getgroups};
use pair::{Sight, Use, differences};
use serde::{Deserialize, Serialize};
use supervise::{StateFile, off_loop};
use tokio::time::{Instant, sleep, timeout};

/// Between two looks. A socket on a shared volume gives no event in this container that is cheaper than looking.
const PAUSE: Duration = Duration::from_millis(50);

/// One question to the daemon.
const ANSWER: Duration = Duration::from_secs(5);

/// How long a sidecar that lives may take to say what it sees. It has had all its start to do so.
const SIDECARS_SIGHT: Duration = Duration::from_millis(500);

/// A daemon that can be used.
#[derive(Debug)]
pub(crate) struct Usable {
    /// As it says itself, e.g. `Docker/26.1.5 (linux), API 1.45`.
    pub(crate) version: String,
    /// What of it will not work for jobs.
    pub(crate) warnings: Vec<String>,
}

/// What this side brings to the pair.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Company {
    /// Our own folder in the task's.
    pub(crate) own: PathBuf,
    /// What docker will be asked to mount: what for, at which path, and where it is here.
    pub(crate) folders: Vec<(Use, PathBuf, PathBuf)>,
    /// From where to where the externals are published.
    pub(crate) externals: Option<(PathBuf, PathBuf)>,
}

/// Waits until the daemon at `host` can be used, at most `budget`.
///
/// `sidecar` is where the daemon's container keeps its state; when it was alive and is no longer, waiting on is useless.
///
/// # Errors
/// A sentence that says what was wrong at the last look, with a hint.
pub(crate) async fn wait(host: &str, sidecar: &Path, budget: Duration, company: Company) -> Result<Usable, String> {
    let token = getrandom::u64().map_err(|error| format!("no random number to be had: {error}"))?;
    let Company { own, folders, externals } = company;
    let sight = Sight::of_runner(token, folders);
    let publish = async {
        let published = off_loop("externals", move || externals.map_or(Ok(0), |(from, to)| externals::publish(&from, &to))).await;
        published.unwrap_or_else(|| Err("the runner's externals are not published: a bug in runner-entrypoint".to_owned()))
    };
    let meet = async {
        let version = wait_for_answer(host, sidecar, budget, || sight.write(&own).is_ok()).await?;
        Ok((version, sidecars_sight(sidecar, token).await))
    };
    let (_, (version, theirs)) = tokio::try_join!(publish, meet)?;
    let differences = theirs.map_or_else(Vec::new, |theirs| differences(&sight, &theirs));
    Ok(Usable { version, warnings: differences.iter().map(ToString::to_string).collect() })
}

/// The sidecar's answer to the sight with this token; `None` from one that is not ours.
async fn sidecars_sight(sidecar: &Path, token: u64) -> Option<Sight> {
    let ends = Instant::now() + SIDECARS_SIGHT;
    while StateFile::is_held(sidecar) {
        if let Some(sight) = Sight::read(sidecar).filter(|sight| sight.token == token) {
            return Some(sight);
        }
        if Instant::now() >= ends {
            return None;
        }
        sleep(PAUSE / 10).await;
    }
    None
}

/// `show` shows the sidecar what we see, and says whether it could: its folder may come later than we.
async fn wait_for_answer(host: &str, sidecar: &Path, budget: Duration, show: impl Fn() -> bool) -> Result<String, String> {
    let client = client(host)?;
    let ends = Instant::now() + budget;
    let (mut seen_alive, mut shown) = (false, false);
    let version = loop {
        shown = shown || show();
        let problem = match look(&client, host).await {
            Ok(version) => break version,
            Err(Refusal::Forbidden(why)) => return Err(why),
            Err(Refusal::NotYet(problem)) => problem,
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
    };
    if !shown {
        show();
    }
    Ok(version)
}

/// One look; what answers says of itself.
///
/// # Errors
/// A sentence that says what was wrong.
pub(crate) async fn answers(host: &str) -> Result<String, String> {
    look(&client(host)?, host).await.map_err(|refusal| match refusal {
        Refusal::NotYet(why) | Refusal::Forbidden(why) => why,
    })
}

/// Why the daemon did not answer.
enum Refusal {
    /// It may later.
    NotYet(String),
    /// It will not.
    Forbidden(String),
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

/// The version comes with every answer to a ping (moby, `api/server/middleware/version.go`).
async fn look(client: &reqwest::Client, host: &str) -> Result<String, Refusal> {
    let path = host.strip_prefix("unix://").map(Path::new);
    let base = match host.strip_prefix("tcp://") {
        Some(address) => format!("http://{address}"),
        None => "http://docker".to_owned(),
    };
    if let Some(path) = path
        && !path.exists()
    {
        return Err(Refusal::NotYet(format!("there is no socket at {}", path.display())));
    }
    match timeout(ANSWER, client.get(format!("{base}/_ping")).send()).await {
        Err(_) => Err(Refusal::NotYet(format!("{host} does not answer within {} s", ANSWER.as_secs()))),
        Ok(Err(error)) => Err(match path.filter(|_| is_forbidden(&error)) {
            Some(path) => Refusal::Forbidden(forbidden(path)),
            None => Refusal::NotYet(format!("{host}: {}", innermost(&error))),
        }),
        Ok(Ok(answer)) if answer.status().is_success() => Ok(version(answer.headers())),
        Ok(Ok(answer)) => Err(Refusal::NotYet(format!("{host} answers {}", answer.status()))),
    }
}

fn version(headers: &reqwest::header::HeaderMap) -> String {
    let text = |name: &str| {
        let plain = headers.get(name)?.to_str().ok()?;
        (plain.len() <= 60).then(|| plain.to_owned())
    };
    let api = text("api-version").map(|version| format!(", API {version}")).unwrap_or_default();
    text("server").unwrap_or_else(|| "a daemon".to_owned()) + &api
}

fn is_forbidden(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied))
}

/// Waiting does not change who we are.
fn forbidden(socket: &Path) -> String {
    let group = socket.metadata().map_or_else(|_| "?".to_owned(), |found| found.gid().to_string());
    let ours: Vec<String> = [getegid()].into_iter().chain(getgroups().unwrap_or_default()).map(|group| group.to_string()).collect();
    format!(
        "docker's socket {} belongs to group {group}, and this container's user (uid {}, groups {}) may not use it\n\
         hint: start this program as root (it gives the runner's user that group), or add the group to the user: --group-add {group} \
         (docker run), supplementalGroups: [{group}] (Kubernetes), or set DOCKER_GROUP_GID on the sidecar to a group that it has",
        socket.display(),
        geteuid(),
        ours.join(", ")
    )
}

/// The last cause says what the system said; those around it say "error sending request".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// What to do about a daemon that does not answer.
pub(crate) fn hint(host: &str, sidecar_lives: bool) -> String {
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
                async move { wait_for_answer(&host, &dir, Duration::from_secs(30), || true).await }
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
        let wait = || run(wait_for_answer(&host, dir.path(), Duration::from_millis(120), || true));
        assert!(wait().unwrap_err().contains("there is no socket at"));
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(wait().unwrap_err().contains("refused"));
        std::fs::remove_file(&path).unwrap();
        let refused = run(async {
            serve(UnixListener::bind(&path).unwrap(), "500 Oops");
            wait_for_answer(&host, dir.path(), Duration::from_millis(300), || true).await
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
                async move { wait_for_answer(&host, &sidecar, Duration::from_secs(600), || true).await }
            });
            sleep(PAUSE * 3).await;
            drop(alive);
            let started = Instant::now();
            (waiting.await.unwrap().unwrap_err(), started.elapsed())
        });
        assert!(died.starts_with("the docker sidecar ended"), "{died}");
        assert!(waited < Duration::from_secs(60));
    }

    fn company(dir: &Path) -> Company {
        let folder = |purpose, name: &str| (purpose, dir.join(name), dir.join(name));
        Company { own: dir.join("runner"), folders: vec![folder(Use::Work, "work"), folder(Use::Tools, "tools")], externals: None }
    }

    /// A sidecar that has another folder than the runner at the place of the tools.
    fn sidecar(dir: &Path) -> std::thread::JoinHandle<()> {
        let dir = dir.to_owned();
        std::thread::spawn(move || {
            let theirs = loop {
                match Sight::read(&dir.join("runner")) {
                    Some(sight) => break sight,
                    None => std::thread::yield_now(),
                }
            };
            let mut ours = theirs.answered();
            ours.folders[1].inode = None;
            ours.write(&dir.join("dind")).unwrap();
        })
    }

    #[test]
    fn what_the_sidecar_has_not_is_told_when_docker_answers() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["runner", "dind", "work", "tools"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let path = dir.path().join("docker.sock");
        let mut alive = StateFile::at(&dir.path().join("dind"), "sidecar");
        alive.claim().unwrap();
        let answering = sidecar(dir.path());
        let Usable { warnings, version } = run(async {
            serve(UnixListener::bind(&path).unwrap(), "200 OK\r\nServer: Docker/26.1.5+dfsg1 (linux)");
            let host = format!("unix://{}", path.display());
            wait(&host, &dir.path().join("dind"), Duration::from_secs(30), company(dir.path())).await.unwrap()
        });
        answering.join().unwrap();
        let expected = format!("the docker sidecar has nothing at {}, the runner's tool cache: ", dir.path().join("tools").display());
        assert!(warnings.len() == 1 && warnings[0].starts_with(&expected), "{warnings:?}");
        assert_eq!(version, "Docker/26.1.5+dfsg1 (linux)");
    }

    #[test]
    fn a_daemon_that_is_not_our_sidecar_is_used_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("docker.sock");
        let usable = run(async {
            serve(UnixListener::bind(&path).unwrap(), "200 OK");
            wait(&format!("unix://{}", path.display()), &dir.path().join("dind"), Duration::from_secs(30), company(dir.path())).await
        });
        let Usable { version, warnings } = usable.unwrap();
        assert_eq!((version.as_str(), warnings), ("a daemon", vec![]));
    }

    #[test]
    fn externals_that_cannot_be_published_are_a_reason_not_to_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("docker.sock");
        let nowhere = (dir.path().join("externals"), dir.path().join("nowhere"));
        let company = Company { externals: Some(nowhere), ..company(dir.path()) };
        let error = run(async {
            serve(UnixListener::bind(&path).unwrap(), "200 OK");
            wait(&format!("unix://{}", path.display()), &dir.path().join("dind"), Duration::from_secs(30), company).await.unwrap_err()
        });
        assert!(error.starts_with("the runner's externals are not published: cannot make"), "{error}");
    }
}
