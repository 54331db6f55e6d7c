#define _GNU_SOURCE
#include "CProcess.h"
#include "Guard.h"

#include <sys/resource.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void close_pair(int ends[2]) {
    if (ends[0] >= 0) close(ends[0]);
    if (ends[1] >= 0) close(ends[1]);
    ends[0] = ends[1] = -1;
}

/// A pair of close-on-exec pipe ends: ends[0] reads what ends[1] writes. 0, or an errno value.
static int open_pair(int ends[2]) {
    if (pipe2(ends, O_CLOEXEC) != 0) {
        int error = errno;
        ends[0] = ends[1] = -1;
        return error;
    }
    // Descriptors 0 to 2 are the targets of dup2 in the child; a process started with one of them closed
    // could be given it here.
    for (int i = 0; i < 2; i++) {
        if (ends[i] > 2) continue;
        int moved = fcntl(ends[i], F_DUPFD_CLOEXEC, 3);
        if (moved < 0) {
            int error = errno;
            close_pair(ends);
            return error;
        }
        close(ends[i]);
        ends[i] = moved;
    }
    return 0;
}

int cprocess_spawn(const char *path, char *const argv[], char *const envp[], const char *directory,
                   cprocess_child *child) {
    int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1}, lifeline[2] = {-1, -1};
    pid_t guard = -1;
    int error = open_pair(lifeline);
    if (error == 0) error = open_pair(in);
    if (error == 0) error = open_pair(out);
    if (error == 0) error = open_pair(err);
    if (error != 0) goto no_pipes;
    // Before the child: no moment may pass in which there is a child and nobody to end it. If we die while it is
    // being started, the lifeline stays open until it runs the program, and by then it is in the group.
    guard = guard_start(lifeline);
    if (guard < 0) {
        error = errno;
        goto no_pipes;
    }

    posix_spawn_file_actions_t actions;
    error = posix_spawn_file_actions_init(&actions);
    if (error != 0) goto no_pipes;
    posix_spawnattr_t attributes;
    error = posix_spawnattr_init(&attributes);
    if (error != 0) goto no_attributes;

    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    // What a process ignores its children ignore, too; this one may ignore any of these for reasons of its own.
    const int restored[] = {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    for (size_t i = 0; i < sizeof restored / sizeof restored[0]; i++) sigaddset(&defaults, restored[i]);

    if ((error = posix_spawn_file_actions_adddup2(&actions, in[0], 0)) != 0) goto done;
    if ((error = posix_spawn_file_actions_adddup2(&actions, out[1], 1)) != 0) goto done;
    if ((error = posix_spawn_file_actions_adddup2(&actions, err[1], 2)) != 0) goto done;
    // Not all that this process has open is close-on-exec: sockets of SwiftNIO are not. A child that held a
    // listener would keep its port after we are gone; one that held a connection would keep it open after we
    // closed it, and could read it.
    if ((error = posix_spawn_file_actions_addclosefrom_np(&actions, 3)) != 0) goto done;
    if (directory != NULL &&
        (error = posix_spawn_file_actions_addchdir_np(&actions, directory)) != 0) goto done;
    if ((error = posix_spawnattr_setpgroup(&attributes, guard)) != 0) goto done;
    if ((error = posix_spawnattr_setsigmask(&attributes, &none)) != 0) goto done;
    if ((error = posix_spawnattr_setsigdefault(&attributes, &defaults)) != 0) goto done;
    if ((error = posix_spawnattr_setflags(
             &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)) != 0)
        goto done;

    // A child that dies while it is written to must be an error of that write, not the end of this process.
    signal(SIGPIPE, SIG_IGN);
    error = posix_spawn(&child->pid, path, &actions, &attributes, argv, envp);

done:
    posix_spawnattr_destroy(&attributes);
no_attributes:
    posix_spawn_file_actions_destroy(&actions);
no_pipes:
    if (error != 0) {
        if (guard > 0) guard_discard(guard);
        close_pair(in);
        close_pair(out);
        close_pair(err);
        close_pair(lifeline);
        return error;
    }
    close(lifeline[0]);
    close(in[0]);
    close(out[1]);
    close(err[1]);
    child->guard = guard;
    child->lifeline = lifeline[1];
    child->stdin_write = in[1];
    child->stdout_read = out[0];
    child->stderr_read = err[0];
    return 0;
}

cprocess_state cprocess_peek(pid_t pid, int *value) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    int result;
    do {
        result = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
    } while (result != 0 && errno == EINTR);
    if (result != 0) return CPROCESS_UNKNOWN;
    if (info.si_pid == 0) return CPROCESS_RUNNING;
    *value = info.si_status;
    return info.si_code == CLD_EXITED ? CPROCESS_EXITED : CPROCESS_SIGNALED;
}

int cprocess_reap(pid_t pid) {
    pid_t result;
    do {
        result = waitpid(pid, NULL, WNOHANG);
    } while (result < 0 && errno == EINTR);
    return result != 0;
}

void cprocess_terminate_group(pid_t guard) {
    if (guard > 1) kill(-guard, SIGTERM);
}

void cprocess_kill_group(pid_t guard) {
    if (guard > 1) kill(-guard, SIGKILL);
}

void cprocess_close(int descriptor) { close(descriptor); }

int cprocess_is_executable(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

const char *cprocess_environment(const char *name) { return getenv(name); }

void cprocess_describe(int error, char *buffer, size_t size) {
    if (size == 0) return;
    const char *text = strerror_r(error, buffer, size);
    if (text != buffer) {
        strncpy(buffer, text, size - 1);
        buffer[size - 1] = 0;
    }
}

void cprocess_wipe(void *bytes, size_t count) { explicit_bzero(bytes, count); }

int cprocess_shield(void) {
    struct rlimit none = {0, 0};
    if (getrlimit(RLIMIT_CORE, &none) != 0) return errno;
    none.rlim_cur = 0;
    if (setrlimit(RLIMIT_CORE, &none) != 0) return errno;
#ifdef __linux__
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return errno;
#endif
    return 0;
}
