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
        let docker = Docker::at(&daemon.socket);
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
        let error = Docker::at(&daemon.socket).start("x").await.unwrap_err().to_string();
        assert!(error.starts_with("docker refused: cannot start a container: cgroup is read-only (500"), "{error}");
    });
}

#[test]
fn an_import_that_fails_after_its_status_is_a_failure() {
    on_loop(async {
        let daemon = StandIn::start(&[("POST /images/create", Some(200), "{\"status\":\"x\"}\r\n{\"error\":\"no space left\"}\r\n")]);
        let error = Docker::at(&daemon.socket).import("r", "t", vec![0; 1024]).await.unwrap_err().to_string();
        assert!(error.contains("no space left"), "{error}");
        assert_eq!(daemon.heard.borrow()[0], "POST /images/create?fromSrc=-&repo=r&tag=t");
    });
}

#[test]
fn killing_or_removing_what_is_gone_is_no_error() {
    on_loop(async {
        let daemon = StandIn::start(&[("POST /containers/ended/kill", Some(409), r#"{"message":"is not running"}"#)]);
        let docker = Docker::at(&daemon.socket);
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
        let error = Docker::at(&daemon.socket).ping(Duration::from_millis(20)).await.unwrap_err();
        assert!(matches!(error, ApiError::Silent { .. }), "{error}");
        let nobody = Docker::at(Path::new("/nonexistent/docker.sock")).ping(Duration::from_secs(1)).await.unwrap_err().to_string();
        assert_eq!(nobody, "docker did not answer: cannot ping: No such file or directory (os error 2)");
    });
}

#[test]
fn an_answer_that_is_cut_off_or_never_ends_is_no_answer() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    on_loop(async {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("docker.sock");
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        tokio::task::spawn_local(async move {
            for cut in [true, false] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 1024]).await;
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{").await.unwrap();
                if cut {
                    continue;
                }
                loop {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    if stream.write_all(b" ").await.is_err() {
                        return;
                    }
                }
            }
        });
        let docker = Docker::at(&socket);
        let cut = docker.ping(Duration::from_secs(10)).await.unwrap_err().to_string();
        assert!(cut.starts_with("docker did not answer: cannot ping: "), "{cut}");
        let endless = docker.ping(Duration::from_millis(20)).await.unwrap_err().to_string();
        assert_eq!(endless, "docker did not answer: cannot ping: no answer within 20 ms");
    });
}
