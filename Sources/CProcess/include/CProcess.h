/// Starting and ending child processes: what Swift cannot reach through the C library's headers,
/// or could not call safely (arrays of C strings that hold secrets, wait status macros).
#ifndef CPROCESS_H
#define CPROCESS_H

#include <stddef.h>
#include <sys/types.h>

/// A child that runs in a process group of its own, the guard that leads this group, and the parent's ends of its
/// pipes (close-on-exec, blocking mode; the caller owns them).
typedef struct {
    pid_t pid;
    /// The guard: a child too, and to be reaped like one, after the child. Its id is the group's.
    pid_t guard;
    /// Nothing is ever written here. When it is closed, by the caller or because the caller's process has ended in
    /// whatever way, the guard ends the group: SIGTERM, a second's wait, SIGKILL.
    int lifeline;
    int stdin_write;
    int stdout_read;
    int stderr_read;
} cprocess_child;

/// Starts `path` with the NULL-terminated `argv` and `envp`, in `directory` unless that is NULL.
/// The child is in a new process group, which a guard leads; its signal mask is empty, and SIGPIPE, SIGINT, SIGTERM,
/// SIGHUP and SIGQUIT have their default actions. Of this process's descriptors it has its three pipes and no other;
/// the guard has only its end of the lifeline. What a child starts and moves to another group (a daemon) is beyond
/// all of this.
/// Returns 0, or an errno value and nothing is left open.
int cprocess_spawn(const char *path, char *const argv[], char *const envp[], const char *directory,
                   cprocess_child *child);

typedef enum {
    CPROCESS_RUNNING = 0,
    CPROCESS_EXITED = 1,
    CPROCESS_SIGNALED = 2,
    CPROCESS_UNKNOWN = 3,
} cprocess_state;

/// Looks whether the child has ended, without waiting and without reaping it: while it is not reaped, its id
/// (and so its group's) cannot be given to another process. `value` becomes the exit status or the signal.
cprocess_state cprocess_peek(pid_t pid, int *value);

/// Reaps an ended child, without waiting. Returns 1 when there is nothing left to reap.
int cprocess_reap(pid_t pid);

/// Sends a signal to the whole group of that guard, which must not have been reaped: SIGTERM, which the guard does
/// not heed, or SIGKILL, which ends it with the others.
void cprocess_terminate_group(pid_t guard);
void cprocess_kill_group(pid_t guard);

/// Keeps others of the same user from reading this process's memory, and the system from writing it to a core file: for
/// this process, and what it forks until that starts another program; children may leave no core file either.
/// Returns 0, or an errno value.
int cprocess_shield(void);

/// Closes a descriptor.
void cprocess_close(int descriptor);

/// Whether this is a file that this process may execute.
int cprocess_is_executable(const char *path);

/// The value of an environment variable, or NULL; valid until the environment changes.
const char *cprocess_environment(const char *name);

/// The system's words for an errno value, into `buffer`.
void cprocess_describe(int error, char *buffer, size_t size);

/// Overwrites bytes so that the compiler may not leave it out.
void cprocess_wipe(void *bytes, size_t count);

#endif
