/*
 * Writer of NumPy's .npz: a zip file with one deflated .npy a member (NEP 1, format 1.0), as
 * numpy.savez_compressed writes it.
 *
 *     npz_init(&z);  npz_add(&z, "conf", NPZ_F16, 2, shape, data);  ...  npz_write(&z, path);
 *     npz_release(&z);
 *
 * Members are compressed as they are added and kept in memory until npz_write().
 */
#ifndef OPS_NPZ_H
#define OPS_NPZ_H

#include "common/buf.h"

enum npz_dtype { NPZ_F16, NPZ_F32, NPZ_I64 };

struct npz {
    struct buf file;      /* local headers and members */
    struct buf directory; /* the central directory's entries */
    unsigned members;
};

void npz_init(struct npz *z);
void npz_release(struct npz *z);

/* Adds an array in C order; E_TOO_BIG beyond 2 GB in all. */
int npz_add(struct npz *z, const char *name, enum npz_dtype dtype, int dims, const size_t *shape,
            const void *data) MUST_CHECK;

/* Ends the zip and writes it atomically. */
int npz_write(struct npz *z, const char *path) MUST_CHECK;

#endif
