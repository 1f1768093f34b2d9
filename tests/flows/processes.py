"""What a process uses, from /proc (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html)."""

import os
from pathlib import Path

# A loop that spins takes all of a processor; what the tests let the server do takes some hundredths.
MOST_SHARE = 0.5


def cpu_s(pid: int) -> float:
    """Processor seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss(pid: int) -> int:
    """Octets of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
