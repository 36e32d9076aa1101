/*
 * Arrays in a pickle: what torch and numpy wrote about one, as an array of a weight file.
 *
 * torch: _rebuild_tensor_v2(storage, offset, size, stride, ...) (torch/_utils.py), where the
 * storage is ("storage", type, key, location, elements[, view]) (torch/serialization.py) and its
 * bytes are elsewhere in the file.  Strides and offsets may be any within the storage; storages may
 * be shared. numpy: _reconstruct() with the state (version, shape, dtype, is_fortran, bytes)
 * (numpy/core/src/multiarray/methods.c), or _frombuffer(bytes, dtype, shape, order).
 *
 * Nothing is copied: the array is a view of the file.  An array may not have more elements than
 * bytes that are its own, so a short file cannot claim a large array.
 */
#ifndef DETECTOR_PICKLE_ARRAY_H
#define DETECTOR_PICKLE_ARRAY_H

#include "detector/pickle.h"

/* What a pickle says of a torch storage. */
struct torch_storage {
    struct view key;
    enum weights_type type;
    uint64_t elements;
    const struct pickle_value *part; /* before torch 0.4: which part of it, NULL for all */
};

/* E_FORMAT where a persistent value is no storage; `path` is for messages. */
int torch_storage_read(const char *path, const struct pickle_value *v,
                       struct torch_storage *out) MUST_CHECK;

/* Finds a storage's bytes in the file that holds it. */
struct storage_finder {
    int (*find)(void *context, const struct torch_storage *storage, struct view *bytes);
    void *context;
};

/* Whether a value is an array of torch or numpy. */
bool pickle_is_array(const struct pickle_value *v);

/* Says what such a value is, all but its name and count. `storages` may be NULL in a file that has
 * none. E_FORMAT, E_TRUNCATED with the array's name. */
int pickle_array_read(const char *path, struct view name, const struct pickle_value *v,
                      const struct storage_finder *storages, struct weights_array *out) MUST_CHECK;

#endif
