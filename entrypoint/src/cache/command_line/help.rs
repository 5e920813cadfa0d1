//! The commands, their options and what help says of them. The parser knows no option that is not here.

use settings::{Command, Switch};

/// What a task does before and after its job, what moves a cache in and out, and what looks after the shared side, in this order.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "cache",
        usage: "COMMAND [OPTION...]",
        about: "restore, save and look after a shared tool cache",
        more: "Whole tool versions are copied between a shared directory, REMOTE, and local ones. A version is <tool>/<version>/<arch>/ beside <arch>.complete. REMOTE may have it as such a tree or as a pack in .packs/, a tar \
               archive that `tar --zstd` opens. A reader sees a whole version or none, a published one is never replaced, and a run that is \
               killed leaves only what a later one removes. On a terminal a bar shows how far it is; elsewhere a line does, every five seconds.",
        exit_codes: EXIT_CODES,
        ..Command::PLAIN
    },
    Command {
        name: "cache restore",
        usage: "--from REMOTE --to LOCAL [OPTION...]",
        about: "copy what REMOTE has and LOCAL lacks, as before a job",
        switches: &[
            FROM,
            TO,
            TOOLS,
            Switch::of("allow", "FILE", "", "only packs whose digests stand in FILE, a line each"),
            Switch::flag("read-only", "write nothing to REMOTE, not even that a pack was used"),
            TRUST,
            JOBS,
            REPORT,
            JSON,
        ],
        exit_codes: EXIT_CODES,
        ..Command::PLAIN
    },
    Command {
        name: "cache save",
        usage: "--from LOCAL --to REMOTE [OPTION...]",
        about: "copy what LOCAL has and REMOTE lacks, as after a job",
        switches: &[
            FROM,
            TO,
            Switch::of("layout", "pack|tree", "pack", "one file per version, or the version as it is"),
            TRUST,
            JOBS,
            REPORT,
            JSON,
        ],
        exit_codes: EXIT_CODES,
        ..Command::PLAIN
    },
    Command {
        name: "cache import",
        usage: "TREE REMOTE [OPTION...]",
        about: "make packs of a hosted tool cache or a tree of rsync, also in place",
        switches: &[TRUST, JOBS, REPORT, JSON],
        exit_codes: EXIT_CODES,
        ..Command::PLAIN
    },
    Command {
        name: "cache export",
        usage: "REMOTE DIR [OPTION...]",
        about: "make plain trees in any directory; REMOTE is only read",
        switches: &[TOOLS, TRUST, JOBS, REPORT, JSON],
        exit_codes: EXIT_CODES,
        ..Command::PLAIN
    },
    Command {
        name: "cache list",
        usage: "REMOTE [OPTION...]",
        about: "show what is there, how large, and when it was last used",
        switches: &[
            Switch::flag("long", "also sizes and files of what is packed; reads each manifest"),
            Switch::flag("digests", "instead of the table the lines for --allow"),
            TRUST_OF_ALL,
            REPORT,
            JSON,
        ],
        exit_codes: EXIT_CODES,
        ..Command::PLAIN
    },
    Command {
        name: "cache verify",
        usage: "REMOTE [OPTION...]",
        about: "read every pack whole and name what is broken, while tasks run",
        switches: &[
            TOOLS,
            Switch::flag("quarantine", "put broken packs aside, so that good ones can be saved"),
            TRUST_OF_ALL,
            REPORT,
            JSON,
        ],
        exit_codes: EXIT_CODES,
        ..Command::PLAIN
    },
    Command {
        name: "cache gc",
        usage: "REMOTE [OPTION...]",
        about: "remove unused packs and what the dead left, never a tree; while tasks run",
        more: "It looks at all trust domains.",
        switches: &[
            Switch::of("unused-for", "SPAN", "30d", "packs that were not restored for that long, as 30d or 12h"),
            Switch::flag("dry-run", "only say what would go"),
            REPORT,
            JSON,
        ],
        exit_codes: EXIT_CODES,
        ..Command::PLAIN
    },
];

const FROM: Switch = Switch::of("from", "DIR", "", "where versions are read");
const TO: Switch = Switch::of("to", "DIR", "", "where they are written");
const TOOLS: Switch = Switch::of("tools", "LIST", "all", "only these, as node@20,python@3.12,go");
const TRUST: Switch = Switch::of("trust", "NAME", "shared", "whose packs: those of this trust domain");
const TRUST_OF_ALL: Switch = Switch::of("trust", "NAME", "all", "whose packs: those of this trust domain");
const JOBS: Switch = Switch::of("jobs", "N", "64", "files of trees, or parts of packs, at once, 1 to 256");
const REPORT: Switch = Switch::of("report", "human|json|both", "human", "what to print; both: lines for people, then JSON");
const JSON: Switch = Switch::flag("json", "short for --report json");

const EXIT_CODES: &[(u8, &str)] = &[
    (0, "done, also when there was nothing to do"),
    (1, "something was not copied, not removed or is broken, each is named; the rest was done"),
    (64, "usage: the command line is not understood"),
    (69, "one of the directories cannot be used"),
];
