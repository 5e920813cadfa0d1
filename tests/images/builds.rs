//! Builds of the images: by either builder, for either processor, and those that must fail.

use runner_tests::images::{Builder, Context, Kind, Shelf, architecture, runner_arguments, runner_file};
use runner_tests::need::{Need, need};
use runner_tests::process::Ending;
use runner_tests::scratch::Scratch;

/// A docker with the bases and the toolkit, and what is built.
struct Bench {
    builder: Builder,
    context: Context,
    _scratch: Scratch,
}

impl Bench {
    fn start(kind: Kind) -> Option<Self> {
        if !need(&[Need::Images]) {
            return None;
        }
        let scratch = Scratch::new();
        let context = Context::make(scratch.path());
        let builder = Builder::kept(context.path(), kind);
        builder.make_bases();
        builder.build(&context, "toolkit", "dist", "--tag toolkit:trial");
        Some(Self { builder, context, _scratch: scratch })
    }

    /// Builds the stage that downloads, from a shelf: how it ended, and what was said.
    fn download(&self, shelf: &Shelf, sum: &str, more: &str) -> (Ending, String) {
        let arguments = runner_arguments(shelf, sum).replace("runner-toolkit:test", "toolkit:trial");
        self.builder.try_build(&self.context, "runner", "empty", &format!("--target download {arguments} {more}"))
    }

    fn shelf(&self) -> Shelf {
        Shelf::serve(&["amd64", "arm64"].map(|architecture| (runner_file(architecture), self.context.runner())))
    }
}

const WRONG: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[test]
fn an_archive_with_another_checksum_ends_the_build_and_both_are_named() {
    let Some(bench) = Bench::start(Kind::Classic) else { return };
    let (ending, said) = bench.download(&bench.shelf(), WRONG, "");
    assert_ne!(ending, Ending::Code(0), "{said}");
    let file = runner_file(architecture());
    let expected = format!("the sha256 of {file} is {}, and {WRONG} was expected", bench.context.runner_sum());
    assert!(said.contains(&expected) && said.contains("hint: another version than RUNNER_VERSION=2.999.0"), "{said}");
}

#[test]
fn a_checksum_that_nobody_gave_ends_the_build_before_the_download() {
    let Some(bench) = Bench::start(Kind::Classic) else { return };
    let shelf = bench.shelf();
    let (ending, said) = bench.download(&shelf, "", "");
    assert_ne!(ending, Ending::Code(0), "{said}");
    assert!(
        said.contains(&format!("no sha256 for {}", runner_file(architecture()))) && said.contains("hint: set RUNNER_SHA256_AMD64"),
        "{said}"
    );
    assert_eq!(shelf.asked(), Vec::<String>::new());
}

#[test]
fn an_archive_that_is_not_there_ends_the_build() {
    let Some(bench) = Bench::start(Kind::Classic) else { return };
    let (ending, said) = bench.download(&Shelf::serve(&[]), bench.context.runner_sum(), "");
    assert!(ending != Ending::Code(0) && said.contains("404"), "{said}");
}

/// Each processor has an archive and a checksum of its own; the wrong one of the other must do no harm.
#[test]
fn each_processor_gets_its_own_archive_by_its_own_checksum() {
    let Some(bench) = Bench::start(Kind::Classic) else { return };
    let sum = bench.context.runner_sum();
    for (architecture, others, name) in [("amd64", "ARM64", "x64"), ("arm64", "AMD64", "arm64")] {
        let shelf = bench.shelf();
        let (ending, said) =
            bench.download(&shelf, sum, &format!("--build-arg TARGETARCH={architecture} --build-arg RUNNER_SHA256_{others}={WRONG}"));
        assert_eq!(ending, Ending::Code(0), "{architecture}: {said}");
        assert_eq!(shelf.asked(), [format!("/v2.999.0/actions-runner-linux-{name}-2.999.0.tar.gz")]);
    }
    let (ending, said) = bench.download(&bench.shelf(), sum, "--build-arg TARGETARCH=riscv64");
    assert!(ending != Ending::Code(0) && said.contains("TARGETARCH=riscv64: there is no runner for it; must be amd64 or arm64"), "{said}");
}

/// What CI publishes is built by BuildKit, what the other tests run by the classic builder: the same files have to do for both.
#[test]
fn buildkit_makes_of_the_same_files_the_same_images() {
    let Some(bench) = Bench::start(Kind::BuildKit) else { return };
    let shelf = bench.shelf();
    let arguments = runner_arguments(&shelf, bench.context.runner_sum()).replace("runner-toolkit:test", "toolkit:trial");
    for target in ["runner-fargate", "runner", "runner-sudo"] {
        bench.builder.build(&bench.context, "runner", "empty", &format!("--target {target} {arguments} --tag {target}:kit"));
    }
    bench.builder.build(
        &bench.context,
        "dind",
        "empty",
        "--build-arg BASE=bare:test --build-arg TOOLKIT=toolkit:trial --tag runner-dind:kit",
    );
    let said = bench.builder.sh(
        "docker run --rm --network none --entrypoint stat runner:kit -c '%a %u:%g' /usr/local/bin/runner-entrypoint /home/runner/run.sh
         docker run --rm --network none --entrypoint stat runner-dind:kit -c '%a %u:%g' /usr/local/bin/runner-dind
         docker image inspect --format '{{.Config.Entrypoint}} {{.Config.StopSignal}} {{.Config.Volumes}} {{.Config.Healthcheck.Test}}' \
             runner:kit runner-sudo:kit runner-fargate:kit runner-dind:kit
         docker image rm runner:kit runner-sudo:kit runner-fargate:kit runner-dind:kit >/dev/null",
    );
    let runner = "[/usr/local/bin/runner-entrypoint] SIGTERM map[] [CMD /usr/local/bin/runner-entrypoint health]\n";
    bench.builder.forget_old();
    let dind = "[/usr/local/bin/runner-dind] SIGTERM map[] [CMD /usr/local/bin/runner-dind health]\n";
    assert_eq!(said, ["711 0:0\n755 1001:1001\n755 0:0\n", runner, runner, runner, dind].concat());
}
