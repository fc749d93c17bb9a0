#include "op/lines.h"

#include "op/work.h"

enum {
  BLOCK_LINES = 8, /* of output at a time, while all channels pass */
  MOST_LINES = 256 /* of input that such a block may read */
};

static anet__post post_from(const anet__sweep *s, size_t pixel)
{
  anet__post post = s->post;
  if (post.add) post.add += pixel * post.add_ld;
  return post;
}

/* Output lines [y0, y1) of an image. */
static void some_lines(const anet__sweep *s, size_t image, int32_t y0, int32_t y1)
{
  const anet__taps *t = &s->taps;
  const float *line[MOST_LINES];
  const size_t row = (size_t)t->in[1] * t->pixel;
  const size_t first = (image * (size_t)t->out[0] + (size_t)y0) * (size_t)t->out[1];
  const int32_t top = y0 * t->stride[0] + t->offset[0];
  for (int32_t k = 0; k < (y1 - y0 - 1) * t->stride[0] + t->kernel[0]; k++) {
    const bool in = top + k >= 0 && top + k < t->in[0];
    line[k] = in ? t->base + (image * (size_t)t->in[0] + (size_t)(top + k)) * row : NULL;
  }
  s->kernels->depthwise_lines(&(anet__depthwise_lines_args){.line = line,
                                                            .kernel = {t->kernel[0], t->kernel[1]},
                                                            .stride = {t->stride[0], t->stride[1]},
                                                            .offset = t->offset[1],
                                                            .columns = t->in[1],
                                                            .lines = y1 - y0,
                                                            .pixels = t->out[1],
                                                            .channels = s->filter.cout,
                                                            .pixel = t->pixel,
                                                            .weight = s->filter.w,
                                                            .weight_ld = s->filter.ld_tap,
                                                            .out = s->out + first * s->ld_pixel,
                                                            .out_ld = s->ld_pixel,
                                                            .post = post_from(s, first)});
}

/* Lines [begin, end) of all images. */
static void lines(const void *context, size_t begin, size_t end)
{
  const anet__sweep *s = context;
  const size_t height = (size_t)s->taps.out[0];
  for (size_t at = begin; at < end;) {
    const size_t y = at % height, y1 = ANET_MIN(ANET_MIN(y + BLOCK_LINES, height), y + end - at);
    some_lines(s, at / height, (int32_t)y, (int32_t)y1);
    at += y1 - y;
  }
}

bool anet__lines_fit(const anet__taps *t)
{
  const int32_t stride = ANET_MIN(t->stride[0], MOST_LINES);
  return t->out[1] >= ANET_LINES_WIDE && t->step[0] == 1 && t->step[1] == 1 &&
         (BLOCK_LINES - 1) * stride + t->kernel[0] <= MOST_LINES;
}

void anet__lines_depthwise(anet_pool *pool, const anet__sweep *s)
{
  const size_t pixel = (size_t)(s->filter.taps + 8) * (size_t)s->filter.cout / 4;
  anet__split(pool, (size_t)s->images * (size_t)s->taps.out[0], pixel * (size_t)s->taps.out[1],
              lines, s);
}
