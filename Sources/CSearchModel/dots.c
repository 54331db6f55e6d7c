#include "CSearchModel.h"

// The two loops that a search spends its time in. They are here because the compiler may use the wider registers of the
// machine it runs on, not only those of the oldest one it was built for.

void csearch_add(float *sum, const int8_t *row, float scale, size_t count) {
    for (size_t i = 0; i < count; i++) sum[i] += scale * (float)row[i];
}

static int32_t dot(const int8_t *row, const int16_t *query, size_t count) {
    int32_t sum = 0;
    for (size_t i = 0; i < count; i++) sum += (int32_t)row[i] * query[i];
    return sum;
}

static void dots_anywhere(
    const int8_t *block, const float *scales, size_t rows, const int16_t *query, float scale, size_t count,
    float *result) {
    for (size_t r = 0; r < rows; r++) result[r] = scale * scales[r] * (float)dot(block + r * count, query, count);
}

#if defined(__x86_64__)
#include <immintrin.h>

// Sixteen components a step: bytes widened to words, multiplied and added in pairs.
__attribute__((target("avx2"))) static void dots_avx2(
    const int8_t *block, const float *scales, size_t rows, const int16_t *query, float scale, size_t count,
    float *result) {
    for (size_t r = 0; r < rows; r++) {
        const int8_t *row = block + r * count;
        __m256i even = _mm256_setzero_si256(), odd = _mm256_setzero_si256();
        size_t i = 0;
        for (; i + 32 <= count; i += 32) {
            __m256i a = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(row + i)));
            __m256i b = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(row + i + 16)));
            even = _mm256_add_epi32(even, _mm256_madd_epi16(a, _mm256_loadu_si256((const __m256i *)(query + i))));
            odd = _mm256_add_epi32(odd, _mm256_madd_epi16(b, _mm256_loadu_si256((const __m256i *)(query + i + 16))));
        }
        even = _mm256_add_epi32(even, odd);
        __m128i half = _mm_add_epi32(_mm256_castsi256_si128(even), _mm256_extracti128_si256(even, 1));
        half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4E));
        half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xB1));
        int32_t sum = _mm_cvtsi128_si32(half) + dot(row + i, query + i, count - i);
        result[r] = scale * scales[r] * (float)sum;
    }
}
#endif

void csearch_dots(
    const int8_t *block, const float *scales, size_t rows, const int16_t *query, float scale, size_t count,
    float *result) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        dots_avx2(block, scales, rows, query, scale, count, result);
        return;
    }
#endif
    dots_anywhere(block, scales, rows, query, scale, count, result);
}
