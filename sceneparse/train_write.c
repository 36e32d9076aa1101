/* The model file's writing. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/file.h"
#include "sceneparse/model_format.h"
#include "sceneparse/train_internal.h"

struct part {
    const void *p;
    size_t size;
    uint32_t count;
};

static int lay_out(struct buf *b, const struct part parts[SECTIONS])
{
    int rc = buf_append_zeros(b, MODEL_HEADER + SECTIONS * MODEL_ENTRY);
    for (uint32_t i = 0; i < SECTIONS && !rc; i++) {
        rc = buf_align(b, MODEL_ALIGN);
        if (rc) {
            break;
        }
        const size_t at = b->n;
        rc = buf_append(b, parts[i].p, parts[i].size);
        unsigned char *entry = b->p + MODEL_HEADER + i * MODEL_ENTRY;
        put_le32(entry, i);
        put_le32(entry + 4, parts[i].count);
        put_le64(entry + 8, at);
        put_le64(entry + 16, parts[i].size);
    }
    if (rc) {
        return rc;
    }
    memcpy(b->p, MODEL_MAGIC, 8);
    put_le32(b->p + 8, MODEL_VERSION);
    put_le32(b->p + 12, SECTIONS);
    put_le64(b->p + 16, b->n);
    put_le64(b->p + 24, XXH3_64bits(b->p + MODEL_HEADER, b->n - MODEL_HEADER));
    return 0;
}

int model_folder_check(const char *path)
{
    char *dir = file_folder(path);
    if (!dir) {
        return err_set(E_NOMEM, "no memory for a path");
    }
    const int rc = access(dir, W_OK | X_OK) ? err_errno("cannot write the model %s", path) : 0;
    free(dir);
    return rc;
}

int model_write(struct trainer *t, const char *path, const char *provenance)
{
    const struct sg_model *m = &t->m;
    uint32_t names = 0;
    for (uint32_t i = 0; i < 1u << m->namings.bits; i++) {
        const struct naming *n = &m->namings.slots[i];
        names = n->first + n->count > names ? n->first + n->count : names;
    }
#define TABLE(ptr, bits)                   \
    {                                      \
        ptr, sizeof *(ptr) << (bits), bits \
    }
    const struct part parts[SECTIONS] = {
        [SECTION_PROVENANCE] = {provenance, strlen(provenance) + 1, 0},
        [SECTION_STRINGS] = {t->strings.p, t->strings_n, 0},
        [SECTION_LEXEMES] = TABLE(m->lexemes.slots, m->lexemes.bits),
        [SECTION_IRREGULARS] = TABLE(m->irregulars.slots, m->irregulars.bits),
        [SECTION_NAMINGS] = TABLE(m->namings.slots, m->namings.bits),
        [SECTION_NAMES] = {m->namings.names, names * sizeof *m->namings.names, names},
        [SECTION_TAG_ROWS] = TABLE(m->tagger.rows, m->tagger.bits),
        [SECTION_TRANSITIONS] = {m->tagger.transitions, (STATES + 1) * LANES * sizeof(int16_t), 0},
        [SECTION_OWNER_ROWS] = TABLE(m->owner_rank.rows, m->owner_rank.bits),
        [SECTION_RELATION_ROWS] = TABLE(m->relation_rank.rows, m->relation_rank.bits),
        [SECTION_CHOICE_ROWS] = TABLE(m->choice_rank.rows, m->choice_rank.bits),
        [SECTION_READING_ROWS] = TABLE(m->reading_rank.rows, m->reading_rank.bits),
        [SECTION_PLACES] = {m->relation_places, PLACES, 0},
        [SECTION_UNSAID] = {m->unsaid, m->unsaid_count * sizeof *m->unsaid, m->unsaid_count},
    };
#undef TABLE
    struct buf b;
    buf_init(&b, (size_t)1 << 30);
    int rc = lay_out(&b, parts);
    rc = rc ? rc : file_write_atomic(path, view_of(b.p, b.n));
    buf_release(&b);
    return rc;
}
