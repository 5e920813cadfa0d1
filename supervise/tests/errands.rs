//! What becomes of a job whose errand says nothing of use. In a process of its own, because a driver reaps every child there is.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message, in its helpers too")]

use std::convert::Infallible;
use std::sync::mpsc;
use std::time::Duration;

use supervise::{Action, Effects, Errand, Event, Machine, Outlets, Program, Signals, Tell, Vocabulary, Work, drive};

#[derive(Debug, Clone)]
struct Words;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct TooLong;

impl Vocabulary for Words {
    type Role = ();
    /// What the errand is, as a shell knows it.
    type Job = &'static str;
    type Outcome = String;
    type Timer = TooLong;
    type Note = Infallible;
}

/// One job after the other.
struct Asks {
    jobs: Vec<&'static str>,
    heard: mpsc::Sender<String>,
}

impl Machine<Words> for Asks {
    fn on(&mut self, event: Event<Words>) -> Vec<Action<Words>> {
        match event {
            Event::Started => {}
            Event::Told(outcome) => self.heard.send(outcome).unwrap(),
            Event::Expired(TooLong) => return vec![Action::Exit(1)],
            _ => return vec![],
        }
        match self.jobs.pop() {
            Some(job) => vec![Action::Run(job), Action::Arm(TooLong, Duration::from_secs(30))],
            None => vec![Action::Exit(0)],
        }
    }
}

struct Shell;

impl Effects<Words> for Shell {
    fn program(&mut self, (): ()) -> Program {
        unreachable!("it has no children but errands")
    }

    fn work(&mut self, job: &'static str, _: Tell<Words>) -> Work<Words> {
        let program = Program { file: "/bin/sh".into(), arguments: vec!["-c".into(), job.into()], ..Program::default() };
        Work::Errand(Errand { program, order: Vec::new().into(), name: "errand" })
    }

    fn answered(&mut self, _: &&'static str, line: &str) -> Option<String> {
        line.strip_prefix("outcome ").map(str::to_owned)
    }

    fn collapsed(&mut self, _: &&'static str, how: &str) -> String {
        format!("collapsed: {how}")
    }

    fn watch(&mut self, (): (), _: &str) -> Option<Infallible> {
        None
    }
}

/// Exit code 0 says that the last answer was the outcome. An errand that ends so without one was once waited for, for ever.
#[test]
fn an_errand_that_ends_well_and_says_nothing_that_is_understood_collapses() {
    let jobs = ["exit 0", "echo of no use", "echo outcome here", "echo outcome there; exit 3"];
    let (heard, hears) = mpsc::channel();
    let asks = Asks { jobs: jobs.into_iter().rev().collect(), heard };
    let code = drive(Signals::collect().unwrap(), asks, Shell, Outlets::default());
    let nothing = "collapsed: ended with nothing that is understood";
    // The last one tells something, and then that it was not its outcome; the life is over by then.
    assert_eq!(hears.try_iter().collect::<Vec<_>>(), [nothing, nothing, "here", "there"]);
    assert_eq!(code, 0);
}
