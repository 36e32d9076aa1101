/*
 * libFuzzer target: any bytes as a model file.  Such a file is refused in a sentence, or, if its
 * checksum holds (the fuzzer may mend it), parses without leaving its tables.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "sceneparse/sceneparse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[] = "/tmp/fuzz-sgm-XXXXXX";
    const int fd = mkstemp(path);
    BUG_ON(fd < 0 || write(fd, data, size) != (ssize_t)size);
    close(fd);
    struct sg_model *model;
    struct sg_parser *parser;
    const struct sg_graph *g;
    static const char caption[] = "two brown dogs are sitting on a wooden bench in the park";
    if (sg_model_open(path, &model) == 0) {
        BUG_ON(sg_parser_new(model, &parser) != 0);
        BUG_ON(sg_parse(parser, caption, sizeof caption - 1, &g) != 0);
        sg_parser_free(parser);
        sg_model_close(model);
    } else {
        BUG_ON(strlen(err_text()) == 0);
    }
    unlink(path);
    return 0;
}
