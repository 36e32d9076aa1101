/*
 * IEEE 754 half precision to float and back, rounding to nearest even.
 *
 * Exact for every value, subnormals and infinities included; a NaN stays a NaN, becomes quiet, and
 * keeps the upper bits of its payload, as the processor's own instructions (F16C) do.  The array
 * forms use those instructions where the processor has them, with the same result bit for bit.
 * Any thread may call.
 */
#ifndef COMMON_HALF_H
#define COMMON_HALF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The bits of a half-precision number, as stored. */
typedef uint16_t half;

static inline float half_to_float(half h)
{
    const uint32_t magnitude = (uint32_t)(h & 0x7fff) << 13;
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    float f;
    memcpy(&f, &magnitude, sizeof f);
    f *= 0x1p112f; /* the exponents' biases differ by 112; subnormals become normal */
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if (magnitude >= 0x7c00u << 13) { /* infinity or NaN */
        bits = 0x7f800000u | magnitude | (magnitude > 0x7c00u << 13 ? 0x400000u : 0);
    }
    bits |= sign;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline half half_from_float(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    const uint32_t sign = bits >> 16 & 0x8000;
    bits &= 0x7fffffff;
    if (bits > 0x7f800000u) {
        return (half)(sign | 0x7e00 | (bits >> 13 & 0x3ff));
    }
    if (bits >= 0x477ff000u) { /* 65520, halfway between the largest half and 2^16, and above */
        return (half)(sign | 0x7c00);
    }
    if (bits < 0x38800000u) { /* below 2^-14: a float in [0.5, 1) has the subnormals' spacing */
        float magnitude;
        memcpy(&magnitude, &bits, sizeof magnitude);
        magnitude += 0.5f;
        memcpy(&bits, &magnitude, sizeof bits);
        return (half)(sign | (bits - 0x3f000000u));
    }
    bits += 0xfff + (bits >> 13 & 1);
    return (half)(sign | (bits - (112u << 23)) >> 13);
}

/* n numbers; the arrays may not overlap. */
void half_to_floats(const half *h, float *f, size_t n);
void half_from_floats(const float *f, half *h, size_t n);

#endif
