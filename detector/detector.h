/*
 * The detector: an RGB image in, regions out (boxes, features, class and attribute predictions); or
 * with another kind of network a clip's frames in, features and class scores out.
 *
 *     struct detector *det;                         one a process tree: read-only after opening
 *     struct detector_session *session;             one a thread: all scratch memory
 *     struct detections found;                      views into the session
 *
 *     detector_open("model.safetensors", NULL, &det);
 *     detector_session_new(det, &session);
 *     detector_detect(det, session, &image, NULL, &found);       detector_info()->kind tells which
 *     detector_features(det, session, &clip, NULL, &features);
 *     detector_session_free(session);
 *     detector_close(det);
 *
 * The model file's metadata names the architecture, the preprocessing and the vocabularies
 * (docs/model-format.md); no width, class count or threshold is known to this code.  Weights are
 * mapped read-only and prepared once at opening; open before fork() and the children share them.
 * A detector may be used by many threads at once, a session by one at a time.  Each call computes
 * on the calling thread alone: run one process or thread a core.
 *
 * The first opening chooses the kernels of the matrix products (gemm.h): pairmill's own where the
 * CPU has AVX-512, else OpenBLAS's, for which it sets OPENBLAS_CORETYPE (unless it is set) and
 * OPENBLAS_NUM_THREADS in the environment; so open before starting threads.
 */
#ifndef DETECTOR_DETECTOR_H
#define DETECTOR_DETECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/id.h"

struct detector;
struct detector_session;

/* What overrides the model file's own post-processing; -1 (and NAN) keep the model's, but where
 * only one of the two numbers is given, the other follows it as far as it must. */
struct detector_options {
    int min_boxes; /* this many regions are exported even below the threshold, if there are */
    int max_boxes;
    float conf_threshold;
};

struct detector_options detector_options_default(void);

/* Maps and checks the model.  `options` may be NULL.  E_MODEL with a sentence that names the tensor
 * or the metadata entry: missing, superfluous, wrong shape, NaN or infinite, no metadata, unknown
 * architecture, vocabulary of the wrong length; E_NO_FILE, E_TRUNCATED, E_FORMAT for the file. */
int detector_open(const char *path, const struct detector_options *options,
                  struct detector **out) MUST_CHECK;
void detector_close(struct detector *det);

/* What a model makes of its input. */
enum detector_kind {
    DETECTOR_REGIONS, /* an image's regions: detector_detect() */
    DETECTOR_FRAMES,  /* a feature a frame: detector_features() */
    DETECTOR_CLIPS    /* one feature of all frames together: detector_features() */
};

struct detector_names {
    uint32_t n;
    const char *const *name; /* [n] UTF-8 */
};

/* What the model is; pointers are valid until detector_close(). */
struct detector_info {
    const char *architecture;
    const char *name; /* "demo-c4:1f3a...": architecture and digest, for records */
    struct id digest; /* BLAKE2b-256 of the model file, as b2sum -l 256 prints it */
    enum detector_kind kind;
    uint32_t dim;                  /* D, length of a feature */
    uint32_t classes;              /* C, columns of soft_labels (background at 0) or scores */
    uint32_t max_regions;          /* detect never returns more */
    uint32_t embedding_dim;        /* of a clip's embedding; 0 where the model has none */
    uint32_t min_frames;           /* a clip has at least so many frames */
    uint32_t frame_multiple;       /* and a multiple of this */
    struct detector_names objects; /* C - 1 names, indexed by object_id; C for frames and clips */
    struct detector_names attributes; /* indexed by attr_id; n = 0 where the model has none */
    uint64_t parameters;              /* numbers in the file's tensors */
    const char *kernels;              /* of matrix products, "OpenBLAS Haswell" */
};

const struct detector_info *detector_info(const struct detector *det);

/* A metadata string of the model file ("training", "license", ...), NULL when there is none. */
const char *detector_metadata(const struct detector *det, const char *key);

/* Multiply-accumulates of one image of this size, with as many proposals as the model allows, and
 * the workspace it needs in bytes. */
struct detector_cost {
    uint64_t macs;
    size_t workspace_bytes;
    uint32_t net_width; /* px after resizing */
    uint32_t net_height;
};

int detector_cost(const struct detector *det, uint32_t width, uint32_t height,
                  struct detector_cost *out) MUST_CHECK;

/* The same of a clip of so many frames. */
int detector_clip_cost(const struct detector *det, uint32_t frames, uint32_t width, uint32_t height,
                       struct detector_cost *out) MUST_CHECK;

int detector_session_new(const struct detector *det, struct detector_session **out) MUST_CHECK;
void detector_session_free(struct detector_session *session);

/* Interleaved 8-bit RGB, rows without padding: rgb[height][width][3]. */
struct detector_image {
    const uint8_t *rgb;
    uint32_t width;
    uint32_t height;
};

/* Called at least once a layer and once a tile of RoIs, from within detector_detect(): done of
 * total steps. A worker's heartbeat hangs on it. */
struct detector_progress {
    void (*step)(void *arg, unsigned done, unsigned total);
    void *arg;
};

/* Regions in falling order of conf; every pointer is into the session, valid until its next
 * detect. The arrays are those of struct visual_record (soft labels still in single precision).
 *
 * What a region is, is the architecture's affair.  BUTD's, VinVL's and the demo's are proposals:
 * each RoI at most once, its box as the proposal network made it, its conf the best score among the
 * classes whose NMS it survived.  torchvision's and detectron2's are detections: a RoI under a
 * class, moved by that class' deltas, with the class' score as conf; one RoI may come out several
 * times. Features and soft labels always are of the RoI before it was moved. */
struct detections {
    uint32_t n;
    uint32_t dim;               /* D */
    uint32_t classes;           /* C */
    bool regressed;             /* they are detections */
    const float *boxes;         /* [n][4] x1 y1 x2 y2, px of the original image */
    const float *conf;          /* [n] what they are ordered by */
    const uint16_t *object_id;  /* [n] best class, or the detection's; 0-based, no background */
    const float *object_conf;   /* [n] its probability */
    const uint16_t *attr_id;    /* [n] 0-based; NULL where the model has no attributes */
    const float *attr_conf;     /* [n] */
    const float *features;      /* [n][D] */
    const float *soft_labels;   /* [n][C] background at column 0 */
    const float *refined_boxes; /* [n][4] regressed for object_id and clipped: to draw, to score; of
                                   a detection the box itself */
};

/* Finds regions.  `progress` may be NULL.  E_IMAGE_TOO_BIG, E_ARG for an empty image or a model of
 * another kind, E_NOMEM when the workspace cannot grow; no allocation once a session has seen an
 * image as large. */
int detector_detect(const struct detector *det, struct detector_session *session,
                    const struct detector_image *image, const struct detector_progress *progress,
                    struct detections *out) MUST_CHECK;

/* Frames in order, all of one size: rgb[frames][height][width][3]. */
struct detector_clip {
    const uint8_t *rgb;
    uint32_t frames;
    uint32_t width;
    uint32_t height;
};

/* Every pointer is into the session, valid until its next call. */
struct clip_features {
    uint32_t n;             /* the frames, or 1 for a whole clip */
    uint32_t dim;           /* D */
    uint32_t classes;       /* C; 0 where the model has no classes */
    uint32_t embedding_dim; /* E; 0 where the model has none */
    const float *features;  /* [n][D] mean-pooled activations before the last layer */
    const float *scores;    /* [n][C] softmax; NULL where there are none */
    const float *embedding; /* [n][E] joint text-video space; NULL where there is none */
};

/* Features of a clip's frames, or of the clip.  `progress` may be NULL.  E_ARG for a model of
 * regions, too few frames or a number that the network cannot halve, and for empty frames;
 * E_IMAGE_TOO_BIG, E_NOMEM as detector_detect(). */
int detector_features(const struct detector *det, struct detector_session *session,
                      const struct detector_clip *clip, const struct detector_progress *progress,
                      struct clip_features *out) MUST_CHECK;

/* Where the CPU time of the session's last image or clip went, one row a layer, in order of
 * execution. */
struct detector_profile_row {
    const char *layer;
    double seconds; /* of CPU time */
    uint64_t macs;  /* of the plain algorithm, however it was computed */
};

/* Rows are the session's, valid until its next detect; returns how many. */
size_t detector_profile(const struct detector_session *session,
                        const struct detector_profile_row **rows);

#endif
