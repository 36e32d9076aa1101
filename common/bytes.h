/*
 * Little-endian numbers in byte strings, and the view: a borrowed run of bytes.
 * Wire and disk structures are written with these, never by copying a struct.
 */
#ifndef COMMON_BYTES_H
#define COMMON_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes; whoever hands one out says how long it stays valid. */
struct view {
    const void *p;
    size_t n;
};

static inline struct view view_of(const void *p, size_t n)
{
    return (struct view){p, n};
}

static inline struct view view_str(const char *s)
{
    return (struct view){s, strlen(s)};
}

static inline int view_equal(struct view a, struct view b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* The machine is little-endian (asserted in err.c), so a memcpy is the encoding. */
static inline void put_le16(void *p, uint16_t v)
{
    memcpy(p, &v, sizeof v);
}

static inline void put_le32(void *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}

static inline void put_le64(void *p, uint64_t v)
{
    memcpy(p, &v, sizeof v);
}

static inline uint16_t get_le16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint32_t get_le32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t get_le64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Big-endian, for database keys that must sort as numbers. */
static inline void put_be64(void *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
}

static inline uint64_t get_be64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}

#endif
