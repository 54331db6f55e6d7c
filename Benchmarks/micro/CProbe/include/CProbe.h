#pragma once
#include <stddef.h>
#include <stdint.h>

// What an allocation costs nobody else: the counts are of the thread that asks.

// Calls of malloc, calloc, realloc that grows from nothing, posix_memalign and aligned_alloc by this thread, since it began.
uint64_t probe_allocations(void);

// Nanoseconds of processor time that this thread has had.
uint64_t probe_processor_ns(void);

// The reference: a fixed piece of work on bytes and integers, about ten microseconds of it. What it returns keeps it from being left out.
uint64_t probe_reference(void);
