/*
 * Pointwise loops are written plainly and compiled several times; the loader picks by CPU.
 * (Sanitizers run before the loader's choice is possible, so they get the plain version alone.)
 */
#ifndef DETECTOR_SIMD_H
#define DETECTOR_SIMD_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__x86_64__)
#define SIMD_CLONES
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SIMD_CLONES
#endif
#endif
#ifndef SIMD_CLONES
#define SIMD_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#endif

#endif
