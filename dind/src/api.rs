//! Owns what is said to a docker daemon over its unix socket (docs.docker.com/reference/api/engine). Paths carry no version: each daemon
//! then speaks its own, and all fields used here are in every version since 1.41 (Docker 20.10).
//!
//! Every call has a deadline. Nothing here decides or waits for readiness.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

/// For calls that only read, or change a little.
const QUICK: Duration = Duration::from_secs(5);

/// For calls that make the daemon work: unpack an image, start a container.
const SLOW: Duration = Duration::from_secs(30);

/// The label of everything that is ours and not the job's.
pub const LABEL: &str = "runner-dind.probe";

/// A call that came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No HTTP client to be had: a bug.
    #[error("cannot make a client for {}: {cause}", socket.display())]
    Client {
        /// The daemon's socket.
        socket: PathBuf,
        /// Why not.
        cause: String,
    },
    /// No answer, or not in time.
    #[error("docker did not answer: cannot {operation}: {cause}")]
    Silent {
        /// What was asked.
        operation: &'static str,
        /// Why not.
        cause: String,
    },
    /// An answer, but no.
    #[error("docker refused: cannot {operation}: {message} ({status})")]
    Refused {
        /// What was asked.
        operation: &'static str,
        /// The HTTP status.
        status: StatusCode,
        /// The daemon's own words.
        message: String,
    },
}

/// What a daemon says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Info {
    /// The storage driver.
    pub driver: String,
    /// `1` or `2`; absent before Docker 20.10.
    #[serde(default)]
    pub cgroup_version: String,
    /// Its version.
    pub server_version: String,
}

/// A container in a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Running {
    /// Its id.
    #[serde(rename = "Id")]
    pub id: String,
}

/// A client of one daemon.
#[derive(Debug, Clone)]
pub struct Docker {
    client: Client,
}

impl Docker {
    /// A client for the daemon at `socket`, which need not be there yet.
    ///
    /// # Errors
    /// [`ApiError::Client`].
    pub fn at(socket: &Path) -> Result<Self, ApiError> {
        let fault = |cause: String| ApiError::Client { socket: socket.to_owned(), cause };
        // reqwest sets up TLS whether it is used or not, and would read every certificate of the system for it: over a unix socket there
        // is none, so it gets a set-up that trusts nobody.
        let tls = rustls::ClientConfig::builder_with_provider(std::sync::Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| fault(error.to_string()))?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let client =
            Client::builder().tls_backend_preconfigured(tls).unix_socket(socket).build().map_err(|error| fault(error.to_string()))?;
        Ok(Self { client })
    }

    /// Whether it answers at all, within `limit`.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn ping(&self, limit: Duration) -> Result<(), ApiError> {
        self.call("ping", self.request(Method::GET, "_ping").timeout(limit)).await.map(drop)
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn info(&self) -> Result<Info, ApiError> {
        self.read("read its state", self.request(Method::GET, "info")).await
    }

    /// Containers that run.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn running(&self) -> Result<Vec<Running>, ApiError> {
        self.read("list containers", self.request(Method::GET, "containers/json")).await
    }

    /// Sends SIGKILL to a container; one that has ended in between is no error.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn kill(&self, container: &str) -> Result<(), ApiError> {
        let request = self.request(Method::POST, &format!("containers/{container}/kill"));
        gone_is_fine(self.call("kill a container", request).await)
    }

    /// Removes every network that somebody made and no container uses.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn prune_networks(&self) -> Result<(), ApiError> {
        self.call("remove networks", self.request(Method::POST, "networks/prune")).await.map(drop)
    }

    /// Makes an image of one layer out of a tar archive.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn import(&self, repository: &str, tag: &str, archive: Vec<u8>) -> Result<(), ApiError> {
        const OPERATION: &str = "import an image";
        let request = self
            .request(Method::POST, &format!("images/create?fromSrc=-&repo={repository}&tag={tag}"))
            .header("content-type", "application/x-tar")
            .body(archive)
            .timeout(SLOW);
        let told = self.call(OPERATION, request).await?.text().await.map_err(silent(OPERATION))?;
        // The status is 200 before the work begins; how it ended is in the last line.
        match told.lines().filter_map(|line| serde_json::from_str::<Progress>(line).ok()).find_map(|line| line.error) {
            None => Ok(()),
            Some(message) => Err(ApiError::Refused { operation: OPERATION, status: StatusCode::OK, message }),
        }
    }

    /// Makes a container without network and with `LABEL`, and returns its id.
    ///
    /// It has a memory limit, which makes docker use the controllers that nesting was to pass on.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn create(&self, image: &str, command: &[&str]) -> Result<String, ApiError> {
        #[derive(Deserialize)]
        struct Created {
            #[serde(rename = "Id")]
            id: String,
        }
        let wanted = json!({
            "Image": image,
            "Cmd": command,
            "Labels": { LABEL: "true" },
            "HostConfig": { "NetworkMode": "none", "LogConfig": { "Type": "none" }, "Memory": 64 * 1024 * 1024 },
        });
        let created: Created =
            self.read("make a container", self.request(Method::POST, "containers/create").json(&wanted).timeout(SLOW)).await?;
        Ok(created.id)
    }

    /// Starts a container.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn start(&self, container: &str) -> Result<(), ApiError> {
        let request = self.request(Method::POST, &format!("containers/{container}/start")).timeout(SLOW);
        self.call("start a container", request).await.map(drop)
    }

    /// Waits for the end of a container and returns its exit code.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn wait(&self, container: &str) -> Result<i64, ApiError> {
        #[derive(Deserialize)]
        struct Ended {
            #[serde(rename = "StatusCode")]
            code: i64,
        }
        let request = self.request(Method::POST, &format!("containers/{container}/wait")).timeout(SLOW);
        let ended: Ended = self.read("wait for a container", request).await?;
        Ok(ended.code)
    }

    /// Removes a container, running or not.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn remove_container(&self, container: &str) -> Result<(), ApiError> {
        let request = self.request(Method::DELETE, &format!("containers/{container}?force=1&v=1")).timeout(SLOW);
        gone_is_fine(self.call("remove a container", request).await)
    }

    /// Removes an image.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn remove_image(&self, image: &str) -> Result<(), ApiError> {
        let request = self.request(Method::DELETE, &format!("images/{image}?force=1")).timeout(SLOW);
        gone_is_fine(self.call("remove an image", request).await)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://docker/{path}")).timeout(QUICK)
    }

    async fn call(&self, operation: &'static str, request: RequestBuilder) -> Result<Response, ApiError> {
        let response = request.send().await.map_err(silent(operation))?;
        let status = response.status();
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        let message = serde_json::from_str::<Complaint>(&text).map_or(text, |complaint| complaint.message);
        Err(ApiError::Refused { operation, status, message })
    }

    async fn read<T: DeserializeOwned>(&self, operation: &'static str, request: RequestBuilder) -> Result<T, ApiError> {
        self.call(operation, request).await?.json().await.map_err(silent(operation))
    }
}

#[derive(Deserialize)]
struct Complaint {
    message: String,
}

#[derive(Deserialize)]
struct Progress {
    error: Option<String>,
}

/// The outermost text of reqwest's errors is only "error sending request"; what happened is the innermost.
fn silent(operation: &'static str) -> impl Fn(reqwest::Error) -> ApiError {
    move |error| {
        let mut cause: &dyn std::error::Error = &error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        ApiError::Silent { operation, cause: cause.to_string() }
    }
}

/// 404: there is no such thing any more. 409: it is there and has ended.
fn gone_is_fine(result: Result<Response, ApiError>) -> Result<(), ApiError> {
    match result {
        Err(ApiError::Refused { status: StatusCode::NOT_FOUND | StatusCode::CONFLICT, .. }) => Ok(()),
        other => other.map(drop),
    }
}

#[cfg(test)]
pub(crate) mod stand_in {
    //! A daemon that answers from a script, on a real unix socket.

    use std::{cell::RefCell, rc::Rc};

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::UnixListener,
    };

    /// What a request begins with, the status it gets (none: the daemon hangs), and the body.
    pub(crate) type Answer = (&'static str, Option<u16>, &'static str);

    /// Answers by script; what is not in it is 404.
    pub(crate) struct StandIn {
        _dir: tempfile::TempDir,
        pub(crate) socket: std::path::PathBuf,
        /// Request lines, in order.
        pub(crate) heard: Rc<RefCell<Vec<String>>>,
    }

    impl StandIn {
        /// Needs a LocalSet.
        pub(crate) fn start(script: &'static [Answer]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let socket = dir.path().join("docker.sock");
            let listener = UnixListener::bind(&socket).unwrap();
            let heard = Rc::new(RefCell::new(Vec::new()));
            let log = Rc::clone(&heard);
            tokio::task::spawn_local(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::task::spawn_local(serve(stream, script, Rc::clone(&log)));
                }
            });
            Self { _dir: dir, socket, heard }
        }
    }

    async fn serve(mut stream: tokio::net::UnixStream, script: &'static [Answer], heard: Rc<RefCell<Vec<String>>>) {
        let mut buffer = Vec::new();
        loop {
            let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
                match stream.read_buf(&mut buffer).await {
                    Ok(1..) => continue,
                    _ => return,
                }
            };
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            while buffer.len() < end + 4 + length {
                if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            let line = String::from_utf8_lossy(&buffer[..end]).lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
            buffer.drain(..end + 4 + length);
            let answer = script.iter().find(|(prefix, ..)| line.starts_with(prefix));
            heard.borrow_mut().push(line);
            let (status, body) = match answer {
                Some((_, Some(status), body)) => (*status, *body),
                Some((_, None, _)) => return std::future::pending().await,
                None => (404, r#"{"message":"no such thing"}"#),
            };
            let text = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(text.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    /// Runs a test on the kind of loop the driver has.
    pub(crate) fn on_loop<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, test)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        stand_in::{StandIn, on_loop},
        *,
    };

    #[test]
    fn a_daemon_is_read_with_only_the_fields_that_matter() {
        on_loop(async {
            let daemon = StandIn::start(&[
                ("GET /info", Some(200), r#"{"Driver":"overlay2","ServerVersion":"26.1.5","CgroupVersion":"2","Containers":3}"#),
                ("GET /containers/json", Some(200), r#"[{"Id":"a","Names":[]},{"Id":"b"}]"#),
            ]);
            let docker = Docker::at(&daemon.socket).unwrap();
            let info = docker.info().await.unwrap();
            assert_eq!((info.driver.as_str(), info.cgroup_version.as_str(), info.server_version.as_str()), ("overlay2", "2", "26.1.5"));
            let ids: Vec<String> = docker.running().await.unwrap().into_iter().map(|container| container.id).collect();
            assert_eq!(ids, ["a", "b"]);
        });
    }

    #[test]
    fn the_daemons_own_words_are_in_the_error() {
        on_loop(async {
            let daemon = StandIn::start(&[("POST /containers/x/start", Some(500), r#"{"message":"cgroup is read-only"}"#)]);
            let error = Docker::at(&daemon.socket).unwrap().start("x").await.unwrap_err().to_string();
            assert!(error.starts_with("docker refused: cannot start a container: cgroup is read-only (500"), "{error}");
        });
    }

    #[test]
    fn an_import_that_fails_after_its_status_is_a_failure() {
        on_loop(async {
            let daemon = StandIn::start(&[("POST /images/create", Some(200), "{\"status\":\"x\"}\r\n{\"error\":\"no space left\"}\r\n")]);
            let error = Docker::at(&daemon.socket).unwrap().import("r", "t", vec![0; 1024]).await.unwrap_err().to_string();
            assert!(error.contains("no space left"), "{error}");
            assert_eq!(daemon.heard.borrow()[0], "POST /images/create?fromSrc=-&repo=r&tag=t");
        });
    }

    #[test]
    fn killing_or_removing_what_is_gone_is_no_error() {
        on_loop(async {
            let daemon = StandIn::start(&[("POST /containers/ended/kill", Some(409), r#"{"message":"is not running"}"#)]);
            let docker = Docker::at(&daemon.socket).unwrap();
            docker.kill("ended").await.unwrap();
            docker.kill("nobody").await.unwrap();
            docker.remove_container("nobody").await.unwrap();
            docker.remove_image("nothing").await.unwrap();
        });
    }

    #[test]
    fn a_daemon_that_hangs_or_is_not_there_is_silent_in_bounded_time() {
        on_loop(async {
            let daemon = StandIn::start(&[("GET /_ping", None, "")]);
            let error = Docker::at(&daemon.socket).unwrap().ping(Duration::from_millis(20)).await.unwrap_err();
            assert!(matches!(error, ApiError::Silent { .. }), "{error}");
            let nobody =
                Docker::at(Path::new("/nonexistent/docker.sock")).unwrap().ping(Duration::from_secs(1)).await.unwrap_err().to_string();
            assert_eq!(nobody, "docker did not answer: cannot ping: No such file or directory (os error 2)");
        });
    }
}
