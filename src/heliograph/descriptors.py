"""File descriptors: as many as the doors may hold, and some left for all else (POSIX, getrlimit)."""

import logging
import resource

log = logging.getLogger(__name__)

# The store, its log, carriers' links, 200 callbacks at once (the default) and what runs in workers.
KEPT = 400


def make_room(connections: int) -> int:
    """How many connections the process can hold, at most ``connections``; its limit of open files is raised for them.

    Whoever opens connections until no descriptor is left would otherwise stop carriers and callbacks as well.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + KEPT
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    room = max(soft - KEPT, soft // 2)
    log.warning("open_files_limit_is_low", extra={"limit": soft, "connections": room, "configured": connections})
    return room
