//! What `cache --help` says.

/// The text; no line is longer than 100 columns.
pub(crate) const HELP: &str = "\
Copies whole tool versions between a shared directory and local ones, and looks after the former.

a task, before and after its job (runner-entrypoint runs these itself):
  cache restore --from REMOTE --to LOCAL    what REMOTE has and LOCAL lacks
  cache save --from LOCAL --to REMOTE       what LOCAL has and REMOTE lacks

moving in and out:
  cache import TREE REMOTE    a hosted tool cache or rsynced tree becomes packs, also in place
  cache export REMOTE DIR     plain trees in any directory; REMOTE is only read

looking after REMOTE, while tasks run:
  cache list REMOTE           what is there, how large, when it was last used
  cache verify REMOTE         reads every pack whole and names what is broken
  cache gc REMOTE             removes unused packs and what the dead left; never a tree

options of all:
  --trust NAME         whose packs: those of this trust domain [shared; list and verify: all]
  --report human|json|both
                       what to print [human]; both: lines for people, then JSON; --json: json
  -h, --help           this text

options of restore, save, import and export:
  --jobs N             files of trees, or parts of packs, at once, 1 to 256 [64]

options of restore, export and verify:
  --tools LIST         only these, as node@20,python@3.12,go [all]

options of restore:
  --allow FILE         only packs whose digests stand in FILE, a line each
  --read-only          write nothing to REMOTE, not even that a pack was used

options of save:
  --layout pack|tree   one file per version, or the version as it is [pack]

options of list:
  --long               also sizes and files of what is packed; reads each manifest
  --digests            instead of the table the lines for --allow

options of verify:
  --quarantine         put broken packs aside, so that good ones can be saved

options of gc (it looks at all trust domains):
  --unused-for SPAN    packs that were not restored for that long, as 30d or 12h [30d]
  --dry-run            only say what would go

A version is <tool>/<version>/<arch>/ beside <arch>.complete. REMOTE may have it as such a tree or
as a pack in .packs/, a tar archive that `tar --zstd` opens. A reader sees a whole version or none,
a published one is never replaced, and a run that is killed leaves only what a later one removes.
On a terminal a bar shows how far it is; elsewhere a line does, every five seconds.

Exit codes:
  0    done, also when there was nothing to do
  1    something was not copied, not removed or is broken, each is named; the rest was done
  64   usage: the command line is not understood
  69   one of the directories cannot be used
";
