//! What a job finds of our secrets: nothing, in no file of /proc that its user may open, whatever they are and however they were given.
//!
//! The job is `seeker`. It must find what was planted beside it in every kind of place, or its silence would mean nothing.

mod forms;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use nix::sys::signal::Signal;
use runner_tests::{
    bed::{Bed, Launch},
    boxed::{Boxed, BoxedProcess},
    github::{Job, Route, Step},
    need::{Need, need},
    process::Ending,
    programs::Program,
};
use serde_json::Value;

use forms::{Form, Given};

const DEADLINE: Duration = Duration::from_secs(40);
const LISTENING: &str = "Listening for Jobs";

/// Whom the job runs as.
const USER: u32 = 1001;

/// What the seeker must find.
const PLANTED: &str = "planted";

/// Given to nobody as a secret, and in PID 1's memory for as long as it lives: what shows that root's search reaches it.
const KEPT: &str = "kept";

/// Who the program under test is while the job looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum As {
    /// Root, as in a good image.
    Root,
    /// The job's own user from the start, as in an image with `USER runner`.
    TheJob,
}

/// A box in which the runner is a user of its own.
fn boxed(bed: &Bed) -> Boxed {
    bed.give_runner_to(USER, USER);
    nix::unistd::chown(&bed.directory("task"), Some(USER.into()), Some(USER.into())).unwrap();
    Boxed::host().user("runner", USER, USER).host_network()
}

fn start(bed: &Bed, launch: Launch<'_>, user: As) -> BoxedProcess {
    start_file(&Program::Entrypoint.path(), bed, launch, user)
}

fn start_file(program: &Path, bed: &Bed, launch: Launch<'_>, user: As) -> BoxedProcess {
    let program = program.to_string_lossy().into_owned();
    let as_the_job = ["setpriv", "--reuid=1001", "--regid=1001", "--clear-groups", &program];
    let words = if user == As::Root { &as_the_job[4..] } else { &as_the_job[..] };
    let root = bed.path("");
    // The box has the programs of this package; those under test may be released ones, elsewhere.
    let own = Program::Entrypoint.path().parent().map(Path::to_path_buf).unwrap();
    boxed(bed).bind(&root, &root).bind_read_only(&own, &own).envs(launch.environment().clone()).spawn("secretive", words)
}

/// One life whose job looks for what was given, and what it found.
struct Search<'a> {
    bed: &'a Bed,
    form: &'a Form,
    user: As,
    markers: PathBuf,
}

impl<'a> Search<'a> {
    fn new(bed: &'a Bed, form: &'a Form, user: As) -> Self {
        let known = form.secrets.iter().chain([&form.kept]);
        let planted = (PLANTED.to_owned(), forms::random());
        let mut text: Vec<String> =
            known.chain([&planted]).map(|(name, text)| format!("{name} {}\n", text.chars().rev().collect::<String>())).collect();
        text.sort();
        let markers = bed.path("markers");
        fs::write(&markers, text.concat()).unwrap();
        bed.github().queue_job(Job::new("curious", &script(bed, &markers, &planted.1)));
        Self { bed, form, user, markers }
    }

    fn told(&self) -> String {
        format!("{:?} as {:?}", self.form.given, self.user)
    }

    /// Lets the job look, and judges what it found.
    fn of_the_job(&self, number: u32) -> Value {
        fs::write(self.bed.path("task").join(format!("look-{number}")), "").unwrap();
        let report = self.bed.path("task").join(format!("report-{number}"));
        self.bed.wait_for("the job to have looked", DEADLINE, || report.exists());
        let report: Value = serde_json::from_str(&fs::read_to_string(report).unwrap()).unwrap();
        let told = self.told();
        assert_eq!(report["uid"], USER, "{told}");
        let hits = hits(&report);
        let ours: Vec<_> = hits.iter().filter(|(marker, ..)| marker != PLANTED).collect();
        assert!(ours.is_empty(), "{told}, search {number}: {ours:?}");

        for kind in ["environ", "cmdline", "file", "pipe", "mem"] {
            let found = hits.iter().any(|(marker, found, comm)| marker == PLANTED && found == kind && comm == "bash");
            assert!(found || (kind == "mem" && yama()), "{told}: what was planted was not found in {kind}: {hits:?}");
        }
        let first = &report["processes"][0];
        assert_eq!(first["pid"], 1, "{told}");
        for process in report["processes"].as_array().unwrap().iter().filter(|process| process["comm"] == first["comm"]) {
            let opened: Vec<&str> = process["opened"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            let closed = ["environ", "maps", "smaps", "auxv", "fd", "file", "pipe", "mem"];
            assert!(closed.iter().all(|kind| !opened.contains(kind)), "{told}: of {process} the job could open {opened:?}");
            assert_eq!((&process["traced"], &process["taken"]), (&false.into(), &false.into()), "{told}: {process}");
        }
        report
    }

    /// What root finds in PID 1, from outside: nothing in its files, and in its memory only what nobody else could give it again.
    fn of_root(&self, life: &BoxedProcess) {
        let markers = self.markers.to_string_lossy().into_owned();
        let looked = Command::new(Program::Seeker.path()).args([&markers, &life.pid().to_string()]).output().unwrap();
        let report: Value = serde_json::from_slice(&looked.stdout).unwrap();
        let told = self.told();
        let opened = report["processes"][0]["opened"].as_array().unwrap();
        assert!(["environ", "cmdline", "fd", "mem"].iter().all(|&kind| opened.contains(&kind.into())), "{told}: {opened:?}");
        let hits = hits(&report);
        assert!(hits.iter().all(|(_, kind, _)| kind == "mem"), "{told}: {hits:?}");
        assert!(hits.iter().any(|(marker, ..)| marker == KEPT), "{told}: the search does not reach the memory of PID 1: {hits:?}");
        let secrets: Vec<&Value> = report["hits"].as_array().unwrap().iter().filter(|hit| hit["marker"] != KEPT).collect();
        for (name, _) in &self.form.secrets {
            let times: u64 = secrets.iter().filter(|hit| hit["marker"] == *name).filter_map(|hit| hit["times"].as_u64()).sum();
            assert!(self.form.copies(name).is_none_or(|copies| copies == times), "{told}: {times} of {name} in the memory of PID 1");
        }
    }
}

/// Looks when it is told to, or at its end, beside a process that holds what it must find: in its environment, its command line, its memory, a file it
/// has open and a pipe that nobody has read.
fn script(bed: &Bed, markers: &Path, planted: &str) -> String {
    let task = bed.path("task");
    format!(
        "cd {task}
         echo {planted} >planted
         printf %s {planted} | PLANTED={planted} bash -c ': >holding; while :; do sleep 0.1; done' {planted} 9<planted &
         until [ -e holding ]; do sleep 0.02; done
         look() {{ until [ -e look-$1 ] || [ -e go ]; do sleep 0.02; done; {seeker} {markers} >looking; mv looking report-$1; }}
         look 1; look 2
         until [ -e go ]; do sleep 0.02; done",
        task = task.display(),
        seeker = Program::Seeker.path().display(),
        markers = markers.display(),
    )
}

/// Marker, kind of place and process of each find.
fn hits(report: &Value) -> Vec<(String, String, String)> {
    let word = |hit: &Value, name: &str| hit[name].as_str().unwrap().to_owned();
    report["hits"].as_array().unwrap().iter().map(|hit| (word(hit, "marker"), word(hit, "kind"), word(hit, "comm"))).collect()
}

/// Where this is on, memory is closed even to those of the same user.
fn yama() -> bool {
    fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").is_ok_and(|scope| scope.trim() != "0")
}

fn ends_well(bed: &Bed, life: &mut BoxedProcess, search: &Search<'_>) {
    fs::write(bed.path("task/go"), "").unwrap();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0), "{}: {}", search.told(), life.transcript());
    assert_eq!(bed.github().finished()[0].result, "Succeeded");
    for (name, secret) in &search.form.secrets {
        assert!(!life.transcript().contains(secret), "{name} is in the log");
    }
}

fn can() -> bool {
    need(&[Need::Root, Need::Boxes, Need::Openssl])
}

/// The job looks while nobody disturbs it, and again when its end was asked for.
fn found_by_a_job(given: Given, user: As) {
    let (bed, form) = Form::new(given);
    let search = Search::new(&bed, &form, user);
    let mut life = start(&bed, form.launch(&bed, user), user);
    search.of_the_job(1);
    let warned = life.stdout().contains("the job can read");
    assert_eq!(warned, user == As::TheJob && given.in_file(), "{}: {}", search.told(), life.transcript());
    search.of_root(&life);
    life.signal(Signal::SIGTERM);
    life.wait_for_line("a job is running; it may take", DEADLINE);
    search.of_the_job(2);
    search.of_root(&life);
    ends_well(&bed, &mut life, &search);
}

/// The job is assigned while an errand with the credential asks GitHub to remove the idle runner.
fn found_beside_an_errand(given: Given, user: As) {
    let (bed, form) = Form::new(given);
    let mut life = start(&bed, form.launch(&bed, user), user);
    life.wait_for_line(LISTENING, DEADLINE);
    bed.github().script(Route::DeleteRunner, [Step::real().at_gate("removal")]);
    life.signal(Signal::SIGTERM);
    bed.github().gate("removal").wait_reached(DEADLINE);
    let search = Search::new(&bed, &form, user);
    let report = search.of_the_job(1);
    let processes = report["processes"].as_array().unwrap();
    let errands = processes.iter().filter(|process| process["pid"] != 1 && process["comm"] == processes[0]["comm"]).count();
    assert_eq!(errands, 1, "{}: {processes:#?}", search.told());
    search.of_root(&life);
    bed.github().gate("removal").open();
    life.wait_for_line("a job is running; it may take", DEADLINE);
    search.of_root(&life);
    ends_well(&bed, &mut life, &search);
}

#[test]
fn a_job_of_another_user_finds_no_secret() {
    if can() {
        for given in Given::ALL {
            found_by_a_job(given, As::Root);
        }
    }
}

#[test]
fn a_job_of_our_own_user_finds_no_secret_either() {
    if can() {
        for given in Given::ALL {
            found_by_a_job(given, As::TheJob);
        }
    }
}

#[test]
fn a_job_of_another_user_finds_none_in_an_errand() {
    if can() {
        for given in Given::ALL.into_iter().filter(|given| given.removes()) {
            found_beside_an_errand(given, As::Root);
        }
    }
}

#[test]
fn a_job_of_our_own_user_finds_none_in_an_errand_either() {
    if can() {
        for given in Given::ALL.into_iter().filter(|given| given.removes()) {
            found_beside_an_errand(given, As::TheJob);
        }
    }
}

#[test]
fn a_secret_in_a_file_that_the_job_can_read_is_warned_of() {
    if !can() {
        return;
    }
    let (bed, form) = Form::new(Given::TokenFile);
    let launch = form.launch(&bed, As::Root);
    let file = PathBuf::from(&launch.environment()["ACCESS_TOKEN_FILE"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    bed.github().queue_job(Job::new("reader", &format!("cat {}", file.display())));
    let mut life = start(&bed, launch, As::Root);
    assert_eq!(life.wait(DEADLINE), Ending::Code(0), "{}", life.transcript());
    assert_eq!(bed.github().finished()[0].log, bed.token());
    let line = life.wait_for_line("the job can read", DEADLINE);
    assert!(line.text.contains(&file.display().to_string()) && line.text.contains("mode 0400"), "{}", line.text);
}

/// The kernel closes such a process before its first instruction (fs/exec.c, `would_dump`), an errand as well.
#[test]
fn a_program_that_cannot_be_read_does_its_work() {
    if !can() {
        return;
    }
    let (bed, form) = Form::new(Given::Token);
    let user = As::TheJob;
    let search = Search::new(&bed, &form, user);
    // By another process: a descriptor open for writing here would be inherited by what another thread starts.
    let program = bed.path("program");
    let copied = Command::new("install").args(["-m", "0711"]).arg(Program::Entrypoint.path()).arg(&program).status().unwrap();
    assert!(copied.success());
    let mut life = start_file(&program, &bed, form.launch(&bed, user), user);
    search.of_the_job(1);
    ends_well(&bed, &mut life, &search);
}

#[test]
fn the_job_sees_the_way_to_the_tasks_role_only_if_it_was_asked_for() {
    let names = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"];
    for (asked, seen) in [(None, false), (Some("no"), false), (Some("yes"), true)] {
        let bed = Bed::new();
        bed.github().queue_job(Job::new("curious", "env"));
        let mut launch = bed.entrypoint();
        for name in names {
            launch = launch.env(name, format!("marker of {name}"));
        }
        if let Some(word) = asked {
            launch = launch.env("HAND_ON_AWS_CREDENTIALS", word);
        }
        assert_eq!(launch.start().wait(DEADLINE), Ending::Code(0));
        let log = bed.github().finished()[0].log.clone();
        for name in names {
            assert_eq!(log.contains(&format!("{name}=marker of {name}\n")), seen, "{asked:?}: {log}");
            assert_eq!(log.contains(&format!("marker of {name}")), seen, "{asked:?}: {log}");
        }
    }
}
