/* The model file: mapped, checked once, used in place. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/err.h"
#include "sceneparse/model_format.h"
#include "sceneparse/sceneparse_internal.h"

struct section_view {
    const unsigned char *p;
    uint64_t size;
    uint32_t count;
};

static int map_file(const char *path, struct sg_model *m)
{
    int rc = 0;
    struct stat st;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_errno("cannot open the scene graph model %s", path);
    }
    if (fstat(fd, &st) != 0) {
        rc = err_errno("cannot read the scene graph model %s", path);
        goto out;
    }
    if (st.st_size < MODEL_HEADER + SECTIONS * MODEL_ENTRY) {
        rc = err_set(E_MODEL, "%s is not a scene graph model: it has only %lld bytes", path,
                     (long long)st.st_size);
        goto out;
    }
    m->size = (size_t)st.st_size;
    m->map = mmap(NULL, m->size, PROT_READ, MAP_SHARED, fd, 0);
    if (m->map == MAP_FAILED) {
        m->map = NULL;
        rc = err_errno("cannot map the scene graph model %s", path);
    }
out:
    close(fd);
    return rc;
}

static int check_header(const char *path, const struct sg_model *m)
{
    const unsigned char *p = m->map;
    if (memcmp(p, MODEL_MAGIC, 8) != 0) {
        return err_set(E_MODEL, "%s is not a scene graph model", path);
    }
    if (get_le32(p + 8) != MODEL_VERSION) {
        return err_set(E_VERSION, "%s is a scene graph model of version %u; this program reads %u",
                       path, get_le32(p + 8), MODEL_VERSION);
    }
    if (get_le64(p + 16) != m->size || get_le32(p + 12) != SECTIONS) {
        return err_set(E_TRUNCATED, "%s has %zu bytes and should have %llu: fetch it again", path,
                       m->size, (unsigned long long)get_le64(p + 16));
    }
    if (get_le64(p + 24) != XXH3_64bits(p + MODEL_HEADER, m->size - MODEL_HEADER)) {
        return err_set(E_CHECKSUM, "%s is damaged: its checksum does not match; fetch it again",
                       path);
    }
    return 0;
}

static int find_sections(const char *path, const struct sg_model *m,
                         struct section_view out[SECTIONS])
{
    const unsigned char *base = m->map;
    for (uint32_t i = 0; i < SECTIONS; i++) {
        const unsigned char *entry = base + MODEL_HEADER + i * MODEL_ENTRY;
        const uint64_t at = get_le64(entry + 8);
        const uint64_t size = get_le64(entry + 16);
        if (get_le32(entry) != i || at % MODEL_ALIGN != 0 || at > m->size || size > m->size - at) {
            return err_set(E_MODEL, "%s: section %u of the scene graph model is out of place", path,
                           i);
        }
        out[i] = (struct section_view){base + at, size, get_le32(entry + 4)};
    }
    return 0;
}

/* A table of 2^bits entries of `each` bytes. */
static int is_table(const struct section_view *v, size_t each)
{
    return v->count >= 1 && v->count <= 28 && v->size == (uint64_t)each << v->count;
}

static int is_text(const struct section_view *v)
{
    return v->size > 0 && v->p[v->size - 1] == 0;
}

/* Every offset in the tables stays inside them, so that parsing needs no checks. */
static int offsets_hold(const struct sg_model *m, uint64_t strings, uint64_t names)
{
    for (uint32_t i = 0; i < 1u << m->irregulars.bits; i++) {
        if (m->irregulars.slots[i].lemma >= strings) {
            return 0;
        }
    }
    for (uint32_t i = 0; i < 1u << m->namings.bits; i++) {
        const struct naming *n = &m->namings.slots[i];
        if (n->first > names || n->count > names - n->first) {
            return 0;
        }
    }
    for (uint64_t i = 0; i < names; i++) {
        if (m->namings.names[i].string >= strings) {
            return 0;
        }
    }
    for (uint32_t i = 0; i < m->unsaid_count; i++) {
        if (m->unsaid[i] >= strings) {
            return 0;
        }
    }
    return 1;
}

static int bind(const char *path, struct sg_model *m)
{
    struct section_view v[SECTIONS];
    const int rc = find_sections(path, m, v);
    if (rc) {
        return rc;
    }
    const int sound =
        is_text(&v[SECTION_PROVENANCE]) && is_text(&v[SECTION_STRINGS]) &&
        is_table(&v[SECTION_LEXEMES], sizeof(struct lexeme)) &&
        is_table(&v[SECTION_IRREGULARS], sizeof(struct irregular)) &&
        is_table(&v[SECTION_NAMINGS], sizeof(struct naming)) &&
        is_table(&v[SECTION_TAG_ROWS], sizeof(struct tag_row)) &&
        is_table(&v[SECTION_OWNER_ROWS], sizeof(struct rank_row)) &&
        is_table(&v[SECTION_RELATION_ROWS], sizeof(struct rank_row)) &&
        is_table(&v[SECTION_CHOICE_ROWS], sizeof(struct rank_row)) &&
        is_table(&v[SECTION_READING_ROWS], sizeof(struct rank_row)) &&
        v[SECTION_NAMES].size == (uint64_t)v[SECTION_NAMES].count * sizeof(struct name) &&
        v[SECTION_TRANSITIONS].size == (STATES + 1) * LANES * sizeof(int16_t) &&
        v[SECTION_PLACES].size == PLACES &&
        v[SECTION_UNSAID].size == (uint64_t)v[SECTION_UNSAID].count * sizeof(uint32_t);
    if (!sound) {
        return err_set(E_MODEL, "%s: a table of the scene graph model has the wrong size", path);
    }
    m->provenance = (const char *)v[SECTION_PROVENANCE].p;
    m->strings = (const char *)v[SECTION_STRINGS].p;
    m->lexemes =
        (struct lexeme_table){(const void *)v[SECTION_LEXEMES].p, v[SECTION_LEXEMES].count};
    m->irregulars = (struct irregular_table){(const void *)v[SECTION_IRREGULARS].p,
                                             v[SECTION_IRREGULARS].count};
    m->namings = (struct naming_table){(const void *)v[SECTION_NAMINGS].p, v[SECTION_NAMINGS].count,
                                       (const void *)v[SECTION_NAMES].p};
    m->tagger =
        (struct tagger_model){(const void *)v[SECTION_TAG_ROWS].p, v[SECTION_TAG_ROWS].count,
                              (const void *)v[SECTION_TRANSITIONS].p};
    m->owner_rank =
        (struct rank_table){(const void *)v[SECTION_OWNER_ROWS].p, v[SECTION_OWNER_ROWS].count};
    m->relation_rank = (struct rank_table){(const void *)v[SECTION_RELATION_ROWS].p,
                                           v[SECTION_RELATION_ROWS].count};
    m->choice_rank =
        (struct rank_table){(const void *)v[SECTION_CHOICE_ROWS].p, v[SECTION_CHOICE_ROWS].count};
    m->reading_rank =
        (struct rank_table){(const void *)v[SECTION_READING_ROWS].p, v[SECTION_READING_ROWS].count};
    m->relation_places = v[SECTION_PLACES].p;
    m->unsaid = (const void *)v[SECTION_UNSAID].p;
    m->unsaid_count = v[SECTION_UNSAID].count;
    if (!offsets_hold(m, v[SECTION_STRINGS].size, v[SECTION_NAMES].count)) {
        return err_set(E_MODEL, "%s: the scene graph model points outside itself", path);
    }
    words_sieve(m);
    return 0;
}

int sg_model_open(const char *path, struct sg_model **model)
{
    struct sg_model *m = calloc(1, sizeof *m);
    *model = NULL;
    if (!m) {
        return err_set(E_NOMEM, "out of memory for the scene graph model %s", path);
    }
    int rc = map_file(path, m);
    rc = rc ? rc : check_header(path, m);
    rc = rc ? rc : bind(path, m);
    if (rc) {
        sg_model_close(m);
        return rc;
    }
    *model = m;
    return 0;
}

void sg_model_close(struct sg_model *model)
{
    if (model && model->map) {
        munmap(model->map, model->size);
    }
    free(model);
}

const char *sg_model_provenance(const struct sg_model *model)
{
    return model->provenance;
}
