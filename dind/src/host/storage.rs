//! The volume for docker's data, as one of the things that docker stands on.

use nix::errno::Errno;

use super::{Places, Prerequisite, cures::Cure, trial::Overlay};
use crate::storage::{self, Mode, Seen, readable};

/// What is wrong with it, `tried` being an overlay that was mounted there, by a process that AppArmor may have `confined`.
pub fn judge(seen: &Result<Seen, String>, tried: Overlay, confined: bool, places: &Places<'_>) -> Prerequisite {
    let shown = places.storage.display();
    let mut page = Prerequisite::seen(
        "storage",
        match seen {
            Ok(found) => {
                let space = found.space;
                format!("{shown}: {}, {} and {} inodes free", found.kind.name(), readable(space.free_bytes), space.free_inodes)
            }
            Err(cause) => format!("{shown}: {cause}"),
        },
    );
    let remarks = storage::judge(seen, places.storage, &places.wish);
    // A file system of the task's own is not there yet to be tried.
    if let Overlay::Refused(cause) = tried
        && places.wish.mode != Mode::Loop
        && !remarks.iter().any(|remark| remark.refusal)
    {
        page.refuse(format!("an overlay cannot be mounted on {shown}: {cause}"), overlay_cure(cause, confined));
    }
    for remark in remarks {
        let cure = if remark.elsewhere { Cure::StorageVolume } else { Cure::anywhere(remark.hint) };
        if remark.refusal {
            page.refuse(remark.what, cure);
        } else {
            page.warn(remark.what, cure);
        }
    }
    page
}

fn overlay_cure(cause: Errno, confined: bool) -> Cure {
    match cause {
        Errno::ENODEV => Cure::anywhere("the host's kernel has no overlay: `modprobe overlay` on the host, or another kernel"),
        Errno::EACCES if confined => Cure::AppArmor,
        // Without CAP_DAC_OVERRIDE an overlay cannot use the directory it works in, whose mode is 0.
        Errno::EACCES => Cure::UsualCapabilities,
        Errno::EPERM => Cure::Privileges,
        _ => Cure::StorageVolume,
    }
}
