"""File descriptors: as many as doors and callbacks may hold, and some left for all else (POSIX, getrlimit)."""

import logging
import resource

log = logging.getLogger(__name__)

KEPT = 200  # for the store, its log, carriers' links, and what runs in workers


def make_room(wanted: int) -> int:
    """How many connections the process can hold, at most ``wanted``; its limit of open files is raised for them.

    Whoever opens connections until no descriptor is left would otherwise stop the store and the carriers as well.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + KEPT
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    room = max(soft - KEPT, soft // 2)
    log.warning("open_files_limit_is_low", extra={"limit": soft, "connections": room, "configured": wanted})
    return room
