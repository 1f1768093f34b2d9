/* A slower disk for ./dev bench: every fsync and fdatasync of the process takes BENCH_SYNC_US more.
 *
 * Preloaded (LD_PRELOAD, see ld.so(8)) into the measured server, or into PostgreSQL. The real call is made first, so
 * nothing becomes less durable; the thread that asked then sleeps, as it would for a slower device. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>

static long delay_us;

__attribute__((constructor)) static void read_delay(void) {
    const char *said = getenv("BENCH_SYNC_US");
    delay_us = said ? atol(said) : 0;
}

static int wait_after(int result) {
    int kept = errno;
    struct timespec left = {delay_us / 1000000, (delay_us % 1000000) * 1000};
    while (delay_us && nanosleep(&left, &left) == -1 && errno == EINTR) {
    }
    errno = kept;
    return result;
}

int fsync(int fd) {
    static int (*real)(int);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "fsync");
    return wait_after(real(fd));
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
    return wait_after(real(fd));
}
