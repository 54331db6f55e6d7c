/// The guard of one child's process group (see Guard.c).
#ifndef GUARD_H
#define GUARD_H

#include <sys/types.h>

/// Starts a guard: a process that leads a new, otherwise empty process group and ends it when every other
/// holder of the lifeline's writing end is gone.
/// `lifeline` is a pipe of close-on-exec ends, `[0]` to read from; both stay the caller's.
/// Returns the guard's id, which is its group's, or -1 with errno set.
pid_t guard_start(const int lifeline[2]);

/// Ends a guard whose group has no other member, and waits for it.
void guard_discard(pid_t guard);

#endif
