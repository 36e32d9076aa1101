#include "recipes/wordpiece_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/id.h"

static const char *const special_names[WORDPIECE_SPECIALS] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]",
                                                              "[MASK]"};

uint32_t *piece_slot(const struct wordpiece *w, const unsigned char *p, uint32_t n,
                     uint32_t continuation, uint32_t hash)
{
    for (uint32_t i = hash & w->slot_mask;; i = (i + 1) & w->slot_mask) {
        uint32_t *slot = &w->slots[i];
        if (*slot == 0) {
            return slot;
        }
        const struct wordpiece_entry *e = &w->entries[*slot - 1];
        if (e->hash == hash && e->n == n && e->continuation == continuation &&
            memcmp(w->bytes + e->at, p, n) == 0) {
            return slot;
        }
    }
}

static uint32_t piece_hash(const unsigned char *p, uint32_t n, uint32_t continuation)
{
    uint64_t h = piece_hash_start(continuation);
    for (uint32_t i = 0; i < n; i++) {
        h = piece_hash_step(h, p[i]);
    }
    return piece_hash_finish(h);
}

int wordpiece_find(const struct wordpiece *w, struct view piece, uint32_t *id)
{
    const unsigned char *p = piece.p;
    const uint32_t continuation = piece.n > 2 && p[0] == '#' && p[1] == '#';
    p += 2 * continuation;
    const uint32_t n = (uint32_t)piece.n - 2 * continuation;
    const uint32_t slot = piece.n > WORDPIECE_VOCABULARY_MAX
                              ? 0
                              : *piece_slot(w, p, n, continuation, piece_hash(p, n, continuation));
    if (slot == 0) {
        return err_set(E_NOT_FOUND, "\"%.*s\" is not in the vocabulary",
                       (int)(piece.n < 60 ? piece.n : 60), (const char *)piece.p);
    }
    *id = slot - 1;
    return 0;
}

static int is_blank(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Every line's bounds without surrounding blanks; the number of lines where `entries` is NULL. */
static uint32_t split_lines(const unsigned char *p, uint32_t n, struct wordpiece_entry *entries)
{
    uint32_t count = 0;
    for (uint32_t at = 0; at < n; count++) {
        const unsigned char *newline = memchr(p + at, '\n', n - at);
        uint32_t end = newline ? (uint32_t)(newline - p) : n;
        const uint32_t next = end + 1;
        while (at < end && is_blank(p[at])) {
            at++;
        }
        while (end > at && is_blank(p[end - 1])) {
            end--;
        }
        if (entries) {
            const uint32_t continuation = end - at > 2 && p[at] == '#' && p[at + 1] == '#';
            entries[count] = (struct wordpiece_entry){.at = at + 2 * continuation,
                                                      .n = end - at - 2 * continuation,
                                                      .continuation = continuation};
        }
        at = next;
    }
    return count;
}

/* Fills entries and slots; of equal entries the last keeps the slot, as in BERT's dictionary. */
static int index_entries(struct wordpiece *w, uint32_t n)
{
    const uint32_t count = split_lines(w->bytes, n, NULL);
    uint32_t room = 16;
    while (room < 2 * count) {
        room *= 2;
    }
    w->ids.size = count;
    w->slot_mask = room - 1;
    w->entries = calloc((size_t)count + 1, sizeof *w->entries);
    w->slots = calloc(room, sizeof *w->slots);
    if (!w->entries || !w->slots) {
        return err_set(E_NOMEM, "no memory for a vocabulary of %u entries", count);
    }
    split_lines(w->bytes, n, w->entries);
    for (uint32_t id = 0; id < count; id++) {
        struct wordpiece_entry *e = &w->entries[id];
        const unsigned char *p = w->bytes + e->at;
        e->hash = piece_hash(p, e->n, e->continuation);
        *piece_slot(w, p, e->n, e->continuation, e->hash) = id + 1;
    }
    return 0;
}

static int find_specials(struct wordpiece *w, const char *name)
{
    for (int i = 0; i < WORDPIECE_SPECIALS; i++) {
        if (wordpiece_find(w, view_str(special_names[i]), &w->specials[i])) {
            return err_set(E_FORMAT, "the vocabulary %s has no entry %s: is it a BERT vocab.txt?",
                           name, special_names[i]);
        }
    }
    if (wordpiece_find(w, view_str("!"), &w->ids.random_first)) {
        return err_set(E_FORMAT, "the vocabulary %s has no entry \"!\": is it a BERT vocab.txt?",
                       name);
    }
    w->ids.random_end = w->ids.size;
    w->ids.pad = w->specials[0];
    w->ids.unk = w->specials[1];
    w->ids.cls = w->specials[2];
    w->ids.sep = w->specials[3];
    w->ids.mask = w->specials[4];
    return 0;
}

/* Lower-casing would never meet an entry with a capital, so one such entry tells. */
static int has_capitals(const struct wordpiece *w)
{
    for (uint32_t id = 0; id < w->ids.size; id++) {
        const struct wordpiece_entry *e = &w->entries[id];
        const unsigned char *p = w->bytes + e->at;
        const int bracketed = e->n > 1 && p[0] == '[' && p[e->n - 1] == ']';
        for (uint32_t i = 0; i < e->n && !bracketed; i++) {
            if (p[i] >= 'A' && p[i] <= 'Z') {
                return 1;
            }
        }
    }
    return 0;
}

static void name_vocabulary(struct wordpiece *w, struct view vocabulary)
{
    const struct id digest = id_of_medium(vocabulary);
    char hex[ID_HEX];
    id_to_hex(&digest, hex);
    snprintf(w->name, sizeof w->name, "wordpiece/%s/%u/%.16s", w->cased ? "cased" : "uncased",
             w->ids.size, hex);
}

int wordpiece_new(struct view vocabulary, const char *name, enum wordpiece_letters letters,
                  enum wordpiece_split split, struct wordpiece **out)
{
    *out = NULL;
    if (vocabulary.n > WORDPIECE_VOCABULARY_MAX) {
        return err_set(E_TOO_BIG, "the vocabulary %s has %zu bytes; at most %d are read", name,
                       vocabulary.n, WORDPIECE_VOCABULARY_MAX);
    }
    struct wordpiece *w = calloc(1, sizeof *w);
    unsigned char *bytes = malloc(vocabulary.n + 1);
    if (!w || !bytes) {
        free(w);
        free(bytes);
        return err_set(E_NOMEM, "no memory for the vocabulary %s", name);
    }
    if (vocabulary.n) {
        memcpy(bytes, vocabulary.p, vocabulary.n);
    }
    w->bytes = bytes;
    w->split = split;
    int rc = index_entries(w, (uint32_t)vocabulary.n);
    rc = rc ? rc : find_specials(w, name);
    if (rc) {
        wordpiece_free(w);
        return rc;
    }
    w->cased = letters == WORDPIECE_CASED || (letters == WORDPIECE_AUTO && has_capitals(w));
    name_vocabulary(w, vocabulary);
    *out = w;
    return 0;
}

/* The whole file in malloc'd memory. */
static int read_file(const char *path, unsigned char **bytes, size_t *n)
{
    int rc = 0;
    *bytes = NULL;
    *n = 0;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        rc = err_errno("the vocabulary %s cannot be read", path);
        goto out;
    }
    if (!S_ISREG(st.st_mode) || st.st_size > WORDPIECE_VOCABULARY_MAX) {
        rc = err_set(E_FORMAT, "the vocabulary %s is not a file of at most %d bytes", path,
                     WORDPIECE_VOCABULARY_MAX);
        goto out;
    }
    *bytes = malloc((size_t)st.st_size + 1);
    if (!*bytes) {
        rc = err_set(E_NOMEM, "no memory for the vocabulary %s", path);
        goto out;
    }
    ssize_t got = 0;
    while (*n < (size_t)st.st_size && (got = read(fd, *bytes + *n, (size_t)st.st_size - *n)) > 0) {
        *n += (size_t)got;
    }
    rc = got < 0 ? err_errno("the vocabulary %s cannot be read", path) : 0;
out:
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

/* recipes/vocab.txt, put into the program by the assembler; paths are from the repository's root,
 * where the compiler runs. */
__asm__(".pushsection .rodata\n"
        ".hidden wordpiece_default_begin\n"
        ".hidden wordpiece_default_end\n"
        ".globl wordpiece_default_begin\n"
        ".globl wordpiece_default_end\n"
        "wordpiece_default_begin: .incbin \"recipes/vocab.txt\"\n"
        "wordpiece_default_end:\n"
        ".popsection\n");
extern const unsigned char wordpiece_default_begin[];
extern const unsigned char wordpiece_default_end[];

int wordpiece_open(const char *path, enum wordpiece_letters letters, enum wordpiece_split split,
                   struct wordpiece **out)
{
    if (!path) {
        const size_t n = (size_t)(wordpiece_default_end - wordpiece_default_begin);
        return wordpiece_new(view_of(wordpiece_default_begin, n), "built into pairmill", letters,
                             split, out);
    }
    unsigned char *bytes;
    size_t n;
    *out = NULL;
    int rc = read_file(path, &bytes, &n);
    rc = rc ? rc : wordpiece_new(view_of(bytes, n), path, letters, split, out);
    free(bytes);
    return rc;
}

void wordpiece_free(struct wordpiece *w)
{
    if (w) {
        free(w->bytes);
        free(w->entries);
        free(w->slots);
        free(w);
    }
}

const struct wordpiece_ids *wordpiece_ids(const struct wordpiece *w)
{
    return &w->ids;
}

int wordpiece_is_cased(const struct wordpiece *w)
{
    return w->cased;
}

const char *wordpiece_name(const struct wordpiece *w)
{
    return w->name;
}

struct view wordpiece_piece(const struct wordpiece *w, uint32_t id)
{
    if (id >= w->ids.size) {
        return view_of("", 0);
    }
    const struct wordpiece_entry *e = &w->entries[id];
    const uint32_t marks = 2 * e->continuation;
    return view_of(w->bytes + e->at - marks, e->n + marks);
}
