#include "workers/pair_item.h"

int pair_item_pack(struct wire_out *out, const struct pair_item *item, struct view *bytes)
{
    wire_map_begin(out);
    wire_put_bin(out, "source", item->source);
    wire_put_bin(out, "key", item->key);
    wire_put_bin(out, "text", item->text);
    wire_put_bin(out, "split", item->split);
    wire_put_u64(out, "coco_image_id", item->coco_image_id);
    wire_put_u64(out, "coco_caption_id", item->coco_caption_id);
    return wire_map_end(out, bytes);
}

int pair_item_unpack(struct view bytes, msgpack_unpacked *unpacked, struct pair_item *item)
{
    struct wire_map m;
    *item = (struct pair_item){0};
    int rc = wire_map_parse(bytes, unpacked, &m);
    rc = rc ? rc : wire_get_bin(&m, "source", &item->source);
    rc = rc ? rc : wire_get_bin(&m, "key", &item->key);
    rc = rc ? rc : wire_get_bin(&m, "text", &item->text);
    rc = rc ? rc : wire_get_bin(&m, "split", &item->split);
    rc = rc ? rc : wire_get_u64(&m, "coco_image_id", &item->coco_image_id);
    return rc ? rc : wire_get_u64(&m, "coco_caption_id", &item->coco_caption_id);
}
