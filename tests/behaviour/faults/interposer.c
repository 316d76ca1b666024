/* Stands between a program and libc, so that a disk can fail and a clock can jump.
 *
 * NABAT_TEST_SWITCHES names a page of switches that the test writes and this reads (and counts in):
 * interposer.rs has the same layout. Only files below NABAT_TEST_STORE are concerned. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

struct switches {
    int64_t clock_offset;   /* seconds added to the wall clock */
    int32_t write_error;    /* errno of every write; 0: none */
    int32_t flush_errors;   /* how many flushes fail with EIO; counted down */
    int32_t hold_writes;    /* 1: writes wait */
    int32_t hold_flushes;   /* 1: flushes wait */
    int32_t held;           /* how many calls have waited; counted up */
    int32_t flushed_after;  /* flushes that succeeded after one that failed; counted up */
    int32_t failed;         /* flushes that failed; counted up */
    int32_t spare_the_log;  /* 1: flushes of SQLite's log don't fail */
    int32_t mirror;         /* 1: what a flush has made durable is copied to NABAT_TEST_MIRROR */
};

static volatile struct switches *switches;
static const char *store, *mirror;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("NABAT_TEST_SWITCHES");
    store = getenv("NABAT_TEST_STORE");
    mirror = getenv("NABAT_TEST_MIRROR");
    if (!path || !store) return;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) abort();
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) abort();
    close(fd);
    switches = page;
}

static int concerns(const char *path) {
    return switches && strncmp(path, store, strlen(store)) == 0;
}

static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return concerns(path);
}

static void wait_while(volatile int32_t *held) {
    if (!*held) return;
    __atomic_add_fetch(&switches->held, 1, __ATOMIC_SEQ_CST);
    while (*held) usleep(1000);
}

/* Whether a write fails; errno says how. */
static int refuses(int fd) {
    char path[PATH_MAX];
    if (!switches || (!switches->write_error && !switches->hold_writes) || !path_of(fd, path)) return 0;
    wait_while(&switches->hold_writes);
    if (!switches->write_error) return 0;
    errno = switches->write_error;
    return 1;
}

#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *from, size_t length) {
    REAL(write);
    return refuses(fd) ? -1 : real(fd, from, length);
}

ssize_t pwrite(int fd, const void *from, size_t length, off_t at) {
    REAL(pwrite);
    return refuses(fd) ? -1 : real(fd, from, length, at);
}

ssize_t pwrite64(int fd, const void *from, size_t length, off64_t at) {
    REAL(pwrite64);
    return refuses(fd) ? -1 : real(fd, from, length, at);
}

int ftruncate(int fd, off_t length) {
    REAL(ftruncate);
    return refuses(fd) ? -1 : real(fd, length);
}

int ftruncate64(int fd, off64_t length) {
    REAL(ftruncate64);
    return refuses(fd) ? -1 : real(fd, length);
}

int unlink(const char *path) {
    REAL(unlink);
    if (switches && switches->write_error && concerns(path)) {
        errno = switches->write_error;
        return -1;
    }
    return real(path);
}

int open64(const char *path, int flags, ...) {
    __typeof__(open64) *real = (__typeof__(open64) *)dlsym(RTLD_NEXT, "open64");
    va_list more;
    va_start(more, flags);
    mode_t mode = va_arg(more, mode_t);
    va_end(more);
    if (switches && switches->write_error && (flags & (O_WRONLY | O_RDWR)) && concerns(path)) {
        errno = switches->write_error;
        return -1;
    }
    return real(path, flags, mode);
}

/* Copies a file as it is now, whole or not at all. */
static void copy(const char *path) {
    const char *name = strrchr(path, '/') + 1;
    char to[PATH_MAX], partly[PATH_MAX + 8];
    snprintf(to, sizeof to, "%s/%s", mirror, name);
    snprintf(partly, sizeof partly, "%s.part", to);
    int from = open(path, O_RDONLY | O_CLOEXEC);
    int into = open(partly, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (from < 0 || into < 0) abort();
    static char bytes[1 << 16];
    ssize_t length;
    while ((length = read(from, bytes, sizeof bytes)) > 0)
        if (write(into, bytes, (size_t)length) != length) abort();
    close(from);
    close(into);
    if (rename(partly, to)) abort();
}

static int flush(int fd, int (*real)(int)) {
    char path[PATH_MAX];
    struct stat what;
    if (!switches || !path_of(fd, path) || fstat(fd, &what) || !S_ISREG(what.st_mode)) return real(fd);
    wait_while(&switches->hold_flushes);
    int is_log = strlen(path) > 4 && strcmp(path + strlen(path) - 4, "-wal") == 0;
    if (switches->flush_errors > 0 && !(is_log && switches->spare_the_log)) {
        /* As Linux does it: told once, and the next flush has nothing to complain of. */
        switches->flush_errors--;
        switches->failed++;
        errno = EIO;
        return -1;
    }
    int result = real(fd);
    if (result == 0 && switches->failed) switches->flushed_after++;
    if (result == 0 && switches->mirror && mirror) copy(path);
    return result;
}

int fsync(int fd) {
    REAL(fsync);
    return flush(fd, real);
}

int fdatasync(int fd) {
    REAL(fdatasync);
    return flush(fd, real);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    REAL(clock_gettime);
    int result = real(clock, now);
    if (result == 0 && clock == CLOCK_REALTIME && switches) now->tv_sec += switches->clock_offset;
    return result;
}
