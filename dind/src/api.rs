//! Owns what is said to a docker daemon over its unix socket (docs.docker.com/reference/api/engine). Paths carry no version: each daemon
//! then speaks its own, and all fields used here are in every version since 1.41 (Docker 20.10).
//!
//! Every call has a deadline. Nothing here decides or waits for readiness.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, StatusCode, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use tokio::net::UnixStream;

/// For calls that only read, or change a little.
const QUICK: Duration = Duration::from_secs(5);

/// For calls that make the daemon work: unpack an image, start a container.
const SLOW: Duration = Duration::from_secs(30);

/// No answer that is read here comes near it; more would only fill the memory of PID 1.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

/// The label of everything that is ours and not the job's.
pub const LABEL: &str = "runner-dind.probe";

/// A call that came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
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

/// A client of one daemon. Each call has a connection of its own: nothing is kept that a daemon could close meanwhile.
#[derive(Debug, Clone)]
pub struct Docker {
    socket: PathBuf,
}

/// A question, and how long its answer may take.
struct Ask {
    operation: &'static str,
    method: Method,
    path: String,
    body: Option<(&'static str, Vec<u8>)>,
    limit: Duration,
}

impl Ask {
    fn new(operation: &'static str, method: Method, path: impl Into<String>) -> Self {
        Self { operation, method, path: path.into(), body: None, limit: QUICK }
    }

    fn with(self, content_type: &'static str, body: Vec<u8>) -> Self {
        Self { body: Some((content_type, body)), ..self }
    }

    fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }
}

impl Docker {
    /// A client for the daemon at `socket`, which need not be there yet.
    pub fn at(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Whether it answers at all, within `limit`.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn ping(&self, limit: Duration) -> Result<(), ApiError> {
        self.call(Ask::new("ping", Method::GET, "/_ping").within(limit)).await.map(drop)
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn info(&self) -> Result<Info, ApiError> {
        self.read(Ask::new("read its state", Method::GET, "/info")).await
    }

    /// Containers that run.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn running(&self) -> Result<Vec<Running>, ApiError> {
        self.read(Ask::new("list containers", Method::GET, "/containers/json")).await
    }

    /// Sends SIGKILL to a container; one that has ended in between is no error.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn kill(&self, container: &str) -> Result<(), ApiError> {
        gone_is_fine(self.call(Ask::new("kill a container", Method::POST, format!("/containers/{container}/kill"))).await)
    }

    /// Removes every network that somebody made and no container uses.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn prune_networks(&self) -> Result<(), ApiError> {
        self.call(Ask::new("remove networks", Method::POST, "/networks/prune")).await.map(drop)
    }

    /// Makes an image of one layer out of a tar archive.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn import(&self, repository: &str, tag: &str, archive: Vec<u8>) -> Result<(), ApiError> {
        const OPERATION: &str = "import an image";
        let ask = Ask::new(OPERATION, Method::POST, format!("/images/create?fromSrc=-&repo={repository}&tag={tag}"));
        let told = self.call(ask.with("application/x-tar", archive).within(SLOW)).await?;
        // The status is 200 before the work begins; how it ended is in the last line.
        match String::from_utf8_lossy(&told)
            .lines()
            .filter_map(|line| serde_json::from_str::<Progress>(line).ok())
            .find_map(|line| line.error)
        {
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
        let ask = Ask::new("make a container", Method::POST, "/containers/create");
        let created: Created = self.read(ask.with("application/json", wanted.to_string().into_bytes()).within(SLOW)).await?;
        Ok(created.id)
    }

    /// Starts a container.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn start(&self, container: &str) -> Result<(), ApiError> {
        let ask = Ask::new("start a container", Method::POST, format!("/containers/{container}/start"));
        self.call(ask.within(SLOW)).await.map(drop)
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
        let ask = Ask::new("wait for a container", Method::POST, format!("/containers/{container}/wait"));
        let ended: Ended = self.read(ask.within(SLOW)).await?;
        Ok(ended.code)
    }

    /// Removes a container, running or not.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn remove_container(&self, container: &str) -> Result<(), ApiError> {
        let ask = Ask::new("remove a container", Method::DELETE, format!("/containers/{container}?force=1&v=1"));
        gone_is_fine(self.call(ask.within(SLOW)).await)
    }

    /// Removes an image.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn remove_image(&self, image: &str) -> Result<(), ApiError> {
        let ask = Ask::new("remove an image", Method::DELETE, format!("/images/{image}?force=1"));
        gone_is_fine(self.call(ask.within(SLOW)).await)
    }

    async fn call(&self, ask: Ask) -> Result<Bytes, ApiError> {
        let (operation, limit) = (ask.operation, ask.limit);
        let silent = |cause| ApiError::Silent { operation, cause };
        let told = tokio::time::timeout(limit, self.exchange(ask)).await;
        let (status, body) = told.map_err(|_| silent(format!("no answer within {} ms", limit.as_millis())))?.map_err(silent)?;
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(body);
        }
        let text = String::from_utf8_lossy(&body).into_owned();
        let message = serde_json::from_str::<Complaint>(&text).map_or(text, |complaint| complaint.message);
        Err(ApiError::Refused { operation, status, message })
    }

    async fn exchange(&self, ask: Ask) -> Result<(StatusCode, Bytes), String> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| error.to_string())?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| innermost(&error))?;
        // HTTP/1.1 wants a host; over a unix socket any will do.
        let mut request = Request::builder().method(ask.method).uri(ask.path).header(header::HOST, "docker");
        let body = ask.body.map(|(content_type, body)| {
            request.headers_mut().map(|headers| headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type)));
            body
        });
        let request = request.body(Full::new(Bytes::from(body.unwrap_or_default()))).map_err(|error| error.to_string())?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(|error| innermost(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, LONGEST_ANSWER).collect().await.map_err(|error| innermost(&*error))?;
            Ok((head.status, body.to_bytes()))
        };
        // Both halves in this future and no task beside it: when it is dropped the connection is closed.
        tokio::pin!(connection);
        tokio::pin!(answer);
        tokio::select! {
            biased;
            told = &mut answer => told,
            // What has arrived may still be told after the connection has ended.
            ended = &mut connection => match ended {
                Ok(()) => answer.await,
                Err(error) => Err(innermost(&error)),
            },
        }
    }

    async fn read<T: DeserializeOwned>(&self, ask: Ask) -> Result<T, ApiError> {
        let operation = ask.operation;
        serde_json::from_slice(&self.call(ask).await?).map_err(|error| ApiError::Silent { operation, cause: error.to_string() })
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

/// The outermost text of hyper's errors is only "error reading a body"; what happened is the innermost.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// 404: there is no such thing any more. 409: it is there and has ended.
fn gone_is_fine(result: Result<Bytes, ApiError>) -> Result<(), ApiError> {
    match result {
        Err(ApiError::Refused { status: StatusCode::NOT_FOUND | StatusCode::CONFLICT, .. }) => Ok(()),
        other => other.map(drop),
    }
}

#[cfg(test)]
pub(crate) mod stand_in;
#[cfg(test)]
mod tests;
