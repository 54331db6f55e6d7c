#pragma once
#include <stddef.h>
#include <stdint.h>

// The search model's bytes, compiled in: no file lies beside the binary (see ../LICENSE.md for where they are from).

/// Bytes that live as long as the program.
typedef struct {
    const uint8_t *_Nonnull start;
    size_t count;
} csearch_bytes;

/// The table of token vectors, a safetensors file.
csearch_bytes csearch_model(void);

/// The tokens, one a line; the line's number is the row in the table.
csearch_bytes csearch_vocabulary(void);

/// Adds `scale` times each of the `count` components of `row` to `sum`.
void csearch_add(float *_Nonnull sum, const int8_t *_Nonnull row, float scale, size_t count);

/// Dot products of `rows` vectors, one after the other in `block`, with `query`; `scales` has one factor a row, and `scale`
/// is the query's own. `count` components each, at most 512, so that no sum overflows.
void csearch_dots(
    const int8_t *_Nonnull block, const float *_Nonnull scales, size_t rows, const int16_t *_Nonnull query,
    float scale, size_t count, float *_Nonnull result);
