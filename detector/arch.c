#include "detector/arch.h"

#include <string.h>

/* X(the name in a model's metadata, its graph) */
#define ARCHITECTURES(X)  \
    X("demo-c4", arch_c4) \
    X("butd-r101-c4", arch_c4)

static const struct {
    const char *name;
    const struct arch *arch;
} architectures[] = {
#define X(name, arch) {name, &arch},
    ARCHITECTURES(X)
#undef X
};

const struct arch *arch_find(const char *name)
{
    for (size_t i = 0; i < sizeof architectures / sizeof *architectures; i++) {
        if (strcmp(architectures[i].name, name) == 0) {
            return architectures[i].arch;
        }
    }
    return NULL;
}

const char *arch_names(void)
{
#define X(name, arch) ", " name
    static const char names[] = "" ARCHITECTURES(X);
    return names + 2; /* past the first ", " */
#undef X
}
