#include "detector/pickle_names.h"

static const struct pickle_name names[] = {
    {"collections", "OrderedDict", GLOBAL_ORDERED_DICT, 0},
    {"_codecs", "encode", GLOBAL_ENCODE, 0}, /* bytes, in protocol 2 */
    {"__builtin__", "bytes", GLOBAL_BYTES, 0},
    {"builtins", "bytes", GLOBAL_BYTES, 0},
    {"torch._utils", "_rebuild_tensor", GLOBAL_REBUILD_TENSOR, 0},
    {"torch._utils", "_rebuild_tensor_v2", GLOBAL_REBUILD_TENSOR, 0},
    {"torch._utils", "_rebuild_parameter", GLOBAL_REBUILD_PARAMETER, 0},
    {"torch", "Size", GLOBAL_SIZE, 0},
    {"torch", "FloatStorage", GLOBAL_STORAGE, WEIGHTS_F32},
    {"torch", "HalfStorage", GLOBAL_STORAGE, WEIGHTS_F16},
    {"torch", "BFloat16Storage", GLOBAL_STORAGE, WEIGHTS_BF16},
    {"torch", "DoubleStorage", GLOBAL_STORAGE, WEIGHTS_F64},
    {"torch", "LongStorage", GLOBAL_STORAGE, WEIGHTS_I64},
    {"torch", "IntStorage", GLOBAL_STORAGE, WEIGHTS_I32},
    {"torch", "ShortStorage", GLOBAL_STORAGE, WEIGHTS_I16},
    {"torch", "CharStorage", GLOBAL_STORAGE, WEIGHTS_I8},
    {"torch", "ByteStorage", GLOBAL_STORAGE, WEIGHTS_U8},
    {"torch", "BoolStorage", GLOBAL_STORAGE, WEIGHTS_BOOL},
    {"numpy.core.multiarray", "_reconstruct", GLOBAL_RECONSTRUCT, 0},
    {"numpy._core.multiarray", "_reconstruct", GLOBAL_RECONSTRUCT, 0}, /* numpy 2 */
    {"numpy.core.numeric", "_frombuffer", GLOBAL_FROM_BUFFER, 0},
    {"numpy._core.numeric", "_frombuffer", GLOBAL_FROM_BUFFER, 0},
    {"numpy", "ndarray", GLOBAL_NDARRAY, 0},
    {"numpy", "dtype", GLOBAL_DTYPE, 0},
    {"numpy.core.multiarray", "scalar", GLOBAL_INERT, 0},
    {"numpy._core.multiarray", "scalar", GLOBAL_INERT, 0},
    {"collections", "Counter", GLOBAL_INERT, 0}, /* a scheduler's milestones */
    {"argparse", "Namespace", GLOBAL_INERT, 0},  /* the options of a training */
    {"torch", "device", GLOBAL_INERT, 0},
    {"torch", "float32", GLOBAL_INERT, 0},
    {"torch", "float16", GLOBAL_INERT, 0},
};

const struct pickle_name *pickle_name_find(struct view module, struct view name)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (view_equal(view_str(names[i].module), module) &&
            view_equal(view_str(names[i].name), name)) {
            return &names[i];
        }
    }
    return NULL;
}
