/*
 * The model file, little-endian:
 *
 *     header    8 bytes "PM-SGRAF", u32 version, u32 sections, u64 file size, u64 XXH3 of the rest
 *     sections  each: u32 which, u32 bits or count, u64 offset, u64 size
 *     data      each section at a multiple of 64 bytes, used in place
 *
 * The tables' layouts are the structs of sceneparse_internal.h, all of fixed-size integers without
 * padding.  Whoever changes one of them, a feature or the meaning of a number raises MODEL_VERSION
 * and trains anew: an old file must be refused, not misread.
 */
#ifndef SCENEPARSE_MODEL_FORMAT_H
#define SCENEPARSE_MODEL_FORMAT_H

#include <stdint.h>

#define MODEL_MAGIC "PM-SGRAF"

enum { MODEL_VERSION = 3, MODEL_ALIGN = 64, MODEL_HEADER = 32, MODEL_ENTRY = 24 };

enum section {
    SECTION_PROVENANCE,
    SECTION_STRINGS,
    SECTION_LEXEMES,
    SECTION_IRREGULARS,
    SECTION_NAMINGS,
    SECTION_NAMES,
    SECTION_TAG_ROWS,
    SECTION_TRANSITIONS,
    SECTION_OWNER_ROWS,
    SECTION_RELATION_ROWS,
    SECTION_CHOICE_ROWS,
    SECTION_READING_ROWS,
    SECTION_PLACES,
    SECTION_UNSAID,
    SECTIONS,
};

#endif
