/* Calls to the C library on files below a folder: counted, logged, and failed at will; and the clock.

   For LD_PRELOAD. Python, SQLite and safetensors all write through these. After `arm` each change is done, and
   appended to a log, from which lior_bench.attack.disk makes what a crash leaves. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { CRASH = 1000, FILES = 4096 };
struct control { int64_t now, left, action, full, fired, reads; };
struct record { int64_t kind, file, offset, data, path, other; }; /* the last three are lengths */

static struct control *control;
static int log_file = -1;
static char root[PATH_MAX];
static char ours[FILES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int arm(const char *folder, const char *shared, const char *journal) {
    int file = open(shared, O_RDWR);
    void *place = mmap(0, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    log_file = open(journal, O_WRONLY | O_APPEND);
    snprintf(root, sizeof root, "%s/", folder);
    if (place == MAP_FAILED || log_file < 0) return -1;
    control = place;
    return 0;
}

/* Whether the path is below the folder; `full` becomes the absolute path. */
static int below(int folder, const char *path, char *full) {
    if (!control) return 0;
    if (path[0] == '/' || folder == AT_FDCWD) {
        snprintf(full, PATH_MAX, "%s", path);
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link, full, PATH_MAX - 1);
        if (length < 0) return 0;
        snprintf(full + length, PATH_MAX - length, "/%s", path);
    }
    return !strncmp(full, root, strlen(root));
}

static int mine(int file) { return control && file >= 0 && file < FILES && ours[file]; }

/* The error with which this change fails, or 0; the process may end here. Holds the lock until `done`. */
static int begin(int grows) {
    pthread_mutex_lock(&lock);
    int fails = 0;
    if (control->left > 0 && !--control->left) {
        if (control->action == CRASH) syscall(SYS_exit_group, 77);
        fails = control->action;
    } else if (control->full && grows) {
        fails = ENOSPC;
    }
    control->fired += !!fails;
    return fails;
}

static long done(long result, int fails) {
    pthread_mutex_unlock(&lock);
    if (fails) {
        errno = fails;
        return -1;
    }
    return result;
}

static void tell(int kind, int64_t file, int64_t offset, const void *data, int64_t length, const char *path,
                 const char *other) {
    struct record record = {kind, file, offset, length, path ? strlen(path) : 0, other ? strlen(other) : 0};
    struct iovec parts[] = {{&record, sizeof record}, {(void *)data, length}, {(void *)path, record.path},
                            {(void *)other, record.other}};
    syscall(SYS_writev, log_file, parts, 4);
}

static int64_t number(int file) {
    struct stat found;
    return fstat(file, &found) ? -1 : (int64_t)found.st_ino;
}

static int opened(int folder, const char *path, int flags, int mode) {
    char full[PATH_MAX];
    if (!below(folder, path, full)) return syscall(SYS_openat, folder, path, flags, mode);
    int there = !syscall(SYS_faccessat, folder, path, F_OK, 0), fails = 0;
    int changes = (flags & O_CREAT && !there) || flags & O_TRUNC;
    if (changes) fails = begin(!there);
    int file = fails ? -1 : syscall(SYS_openat, folder, path, flags, mode);
    int cause = errno;
    if (file >= 0 && file < FILES) ours[file] = 1;
    if (file >= 0 && flags & O_CREAT && !there) tell('c', number(file), 0, 0, 0, full, 0);
    else if (file >= 0 && flags & O_TRUNC) tell('t', number(file), 0, 0, 0, 0, 0);
    errno = cause;
    return changes ? done(file, fails) : file;
}

#define OPEN(name)                                           \
    int name(const char *path, int flags, ...) {             \
        va_list rest;                                        \
        va_start(rest, flags);                               \
        int mode = flags & O_CREAT ? va_arg(rest, int) : 0;  \
        va_end(rest);                                        \
        return opened(AT_FDCWD, path, flags, mode);          \
    }
#define OPENAT(name)                                         \
    int name(int folder, const char *path, int flags, ...) { \
        va_list rest;                                        \
        va_start(rest, flags);                               \
        int mode = flags & O_CREAT ? va_arg(rest, int) : 0;  \
        va_end(rest);                                        \
        return opened(folder, path, flags, mode);            \
    }
OPEN(open) OPEN(open64) OPENAT(openat) OPENAT(openat64)

int close(int file) {
    if (mine(file)) ours[file] = 0;
    return syscall(SYS_close, file);
}

static ssize_t written(int file, const void *data, size_t size, int64_t offset) {
    int fails = begin(1);
    ssize_t count = -1;
    if (!fails) {
        if (offset < 0) {
            struct stat found;
            int append = fcntl(file, F_GETFL) & O_APPEND && !fstat(file, &found);
            offset = append ? found.st_size : lseek(file, 0, SEEK_CUR);
            count = syscall(SYS_write, file, data, size);
        } else {
            count = syscall(SYS_pwrite64, file, data, size, offset);
        }
        int cause = errno;
        if (count > 0) tell('w', number(file), offset, data, count, 0, 0);
        errno = cause;
    }
    return done(count, fails);
}

ssize_t write(int file, const void *data, size_t size) {
    return mine(file) ? written(file, data, size, -1) : syscall(SYS_write, file, data, size);
}
ssize_t pwrite64(int file, const void *data, size_t size, off_t offset) {
    return mine(file) ? written(file, data, size, offset) : syscall(SYS_pwrite64, file, data, size, offset);
}
ssize_t pwrite(int file, const void *data, size_t size, off_t offset) {
    return pwrite64(file, data, size, offset);
}
ssize_t writev(int file, const struct iovec *parts, int count) {
    if (!mine(file)) return syscall(SYS_writev, file, parts, count);
    for (int i = 0; i < count; i++)
        if (parts[i].iov_len) return write(file, parts[i].iov_base, parts[i].iov_len); /* short: allowed */
    return 0;
}

static int flushed(int file, int call) {
    if (!mine(file)) return syscall(call, file);
    struct stat found;
    int fails = begin(0), result = fails ? -1 : syscall(call, file);
    if (!result && !fstat(file, &found)) {
        char link[64], path[PATH_MAX] = "";
        snprintf(link, sizeof link, "/proc/self/fd/%d", file);
        if (readlink(link, path, sizeof path - 1) > 0)
            tell(S_ISDIR(found.st_mode) ? 'd' : 's', found.st_ino, 0, 0, 0, path, 0);
    }
    return done(result, fails);
}
int fsync(int file) { return flushed(file, SYS_fsync); }
int fdatasync(int file) { return flushed(file, SYS_fdatasync); }

int ftruncate64(int file, off_t size) {
    if (!mine(file)) return syscall(SYS_ftruncate, file, size);
    int fails = begin(0), result = fails ? -1 : syscall(SYS_ftruncate, file, size);
    if (!result) tell('t', number(file), size, 0, 0, 0, 0);
    return done(result, fails);
}
int ftruncate(int file, off_t size) { return ftruncate64(file, size); }

/* A change of names: done by `call`, told as `kind`. */
#define NAMES(condition, grows, call, kind, path, other)     \
    if (!(condition)) return call;                           \
    int fails = begin(grows), result = fails ? -1 : call;    \
    if (!result) tell(kind, 0, 0, 0, 0, path, other);        \
    return done(result, fails);

int renameat(int from, const char *old, int to, const char *new) {
    char a[PATH_MAX], b[PATH_MAX];
    int inside = below(from, old, a) & below(to, new, b);
    NAMES(inside, 1, (int)syscall(SYS_renameat2, from, old, to, new, 0), 'r', a, b)
}
int rename(const char *old, const char *new) { return renameat(AT_FDCWD, old, AT_FDCWD, new); }

int linkat(int from, const char *old, int to, const char *new, int flags) {
    char a[PATH_MAX], b[PATH_MAX];
    int inside = below(from, old, a) & below(to, new, b);
    NAMES(inside, 1, (int)syscall(SYS_linkat, from, old, to, new, flags), 'l', a, b)
}
int link(const char *old, const char *new) { return linkat(AT_FDCWD, old, AT_FDCWD, new, 0); }

int unlinkat(int folder, const char *path, int flags) {
    char a[PATH_MAX];
    NAMES(below(folder, path, a), 0, (int)syscall(SYS_unlinkat, folder, path, flags), 'u', a, 0)
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int folder, const char *path, mode_t mode) {
    char a[PATH_MAX];
    NAMES(below(folder, path, a), 1, (int)syscall(SYS_mkdirat, folder, path, mode), 'm', a, 0)
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

ssize_t pread64(int file, void *data, size_t size, off_t offset) {
    if (mine(file)) {
        pthread_mutex_lock(&lock);
        int fails = control->reads > 0 && !--control->reads;
        control->fired += fails;
        pthread_mutex_unlock(&lock);
        if (fails) {
            errno = EIO;
            return -1;
        }
    }
    return syscall(SYS_pread64, file, data, size, offset);
}
ssize_t pread(int file, void *data, size_t size, off_t offset) { return pread64(file, data, size, offset); }

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (!control || clock != CLOCK_REALTIME) return syscall(SYS_clock_gettime, clock, time);
    int64_t now = __atomic_add_fetch(&control->now, 1000, __ATOMIC_SEQ_CST);
    time->tv_sec = now / 1000000000;
    time->tv_nsec = now % 1000000000;
    return 0;
}
