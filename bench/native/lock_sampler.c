/* How long the interpreter's lock is held, for ./dev bench: a thread that looks at it about a thousand times a second.
 *
 * Preloaded (LD_PRELOAD, see ld.so(8)) into the measured server. It takes no lock itself and writes four counters into
 * the file that BENCH_LOCK_FILE names: looks, looks at which the lock was held, of these held by the first thread (the
 * loop), and by another. Reference: Python/ceval_gil.c and the internal headers of the Python it is compiled for. */
#define _GNU_SOURCE
#define Py_BUILD_CORE
#include <Python.h>
#include <internal/pycore_interp.h>
#include <internal/pycore_runtime.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_NS 997000L /* not a round number: nothing else here beats at it */

static volatile uint64_t *counters;
static _PyRuntimeState *runtime;

static struct _gil_runtime_state *find_lock(void) {
#if PY_VERSION_HEX < 0x030C0000
    return &runtime->ceval.gil;
#else
    PyInterpreterState *first = runtime->interpreters.main;
    return first ? first->ceval.gil : NULL;
#endif
}

static void *look(void *unused) {
    (void)unused;
    const struct timespec pause = {0, PERIOD_NS};
    for (;;) {
        nanosleep(&pause, NULL);
        struct _gil_runtime_state *lock = find_lock();
        if (!lock) continue;
        int held = *(volatile int *)&lock->locked;
        PyThreadState *holder = *(PyThreadState *volatile *)&lock->last_holder;
        counters[0]++;
        if (held == 1 && holder) {
            /* A holder that has just ended keeps its memory long enough for this one read of a number. */
            int first = holder->native_thread_id == (unsigned long)getpid();
            counters[1]++;
            counters[first ? 2 : 3]++;
        }
    }
    return NULL;
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("BENCH_LOCK_FILE");
    runtime = dlsym(RTLD_DEFAULT, "_PyRuntime");
    int file = path && runtime ? open(path, O_RDWR) : -1;
    if (file < 0) return;
    void *mapped = mmap(NULL, 4 * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped == MAP_FAILED) return;
    counters = mapped;
    pthread_t thread;
    if (pthread_create(&thread, NULL, look, NULL) == 0) pthread_detach(thread);
}
