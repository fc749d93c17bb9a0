#include "op/fused.h"

#include <string.h>

#include "op/lines.h"
#include "op/work.h"

enum {
  STRIP_FLOATS = 96 << 10,  /* a strip's ring and lines stay in the second-level cache */
  WHOLE_FLOATS = 128 << 10, /* lines of an image that is one strip */
  UNIT = 64,                /* output channels of the projection at a time */
  MOST_LINES = 256,         /* of its input that a strip reads */
  LEAST_LINES = 14,         /* a worker: it expands the lines around its own once more */
  WIDE_ALONE = 20           /* pixels of a line that make it pay without an expansion */
};

/* ---- geometry ---------------------------------------------------------------------------------
 */

/* How the work is cut. Panels of an image that is one strip take turns in one ring. */
typedef struct cut {
  int32_t lines; /* of a strip, in the depthwise output */
  int32_t ring;  /* lines of the ring: what a strip reads */
  int32_t panel; /* channels */
  int32_t panels;
  size_t panel_floats;       /* from one panel's ring to the next, 0: they take turns */
  size_t ring_floats;        /* all rings */
  size_t mid_ld, mid_floats; /* lines between depthwise and projection */
} cut;

static int32_t width_in(const anet__fused *c)
{
  return c->depthwise->in_shape[0].dim[1];
}

static int32_t width_out(const anet__fused *c)
{
  return c->depthwise->out_shape.dim[1];
}

static int32_t hidden(const anet__fused *c)
{
  return c->depthwise->in_shape[0].dim[2];
}

static int32_t lines_read(const anet__fused *c, int32_t lines)
{
  return (lines - 1) * c->depthwise->attr->stride[0] + c->depthwise->attr->kernel[0];
}

static cut cut_into(const anet__fused *c, int32_t lines, bool whole)
{
  const anet__kernels *k = c->depthwise->kernels;
  cut s = {.lines = lines, .ring = lines_read(c, lines), .panel = anet__filter_panel(k)};
  const size_t ring = (size_t)s.ring * (size_t)width_in(c) * (size_t)s.panel;
  s.panels = (hidden(c) + s.panel - 1) / s.panel;
  s.panel_floats = whole ? 0 : ring;
  s.ring_floats = !c->expand ? 0 : whole ? ring : ring * (size_t)s.panels;
  /* pixels of the middle must not share a cache set */
  s.mid_ld = (size_t)hidden(c) + (hidden(c) % 256 == 0 ? 16 : 0);
  s.mid_floats = (size_t)lines * (size_t)width_out(c) * s.mid_ld;
  return s;
}

/* The pointers of a strip have to fit: to the pixels that it expands and projects, to its lines. */
static bool has_room(const anet__fused *c, int32_t lines)
{
  return lines * width_out(c) <= ANET_TAP_ROOM && lines_read(c, lines) <= MOST_LINES &&
         lines_read(c, lines) <= ANET_TAP_ROOM / width_in(c);
}

static cut cut_of(const anet__fused *c)
{
  const int32_t height = c->depthwise->out_shape.dim[0];
  cut best = cut_into(c, height, true);
  if (has_room(c, height) && best.mid_floats <= WHOLE_FLOATS) return best;
  best = cut_into(c, 1, false);
  for (int32_t lines = 2; lines < height && has_room(c, lines); lines++) {
    const cut more = cut_into(c, lines, false);
    if (more.ring_floats + more.mid_floats > STRIP_FLOATS) break;
    best = more;
  }
  return best;
}

static bool plain_pointwise(const anet__call *c)
{
  const anet_attr *a = c->attr;
  return a->kernel[0] == 1 && a->kernel[1] == 1 && a->stride[0] == 1 && a->stride[1] == 1 &&
         a->groups == 1 && !anet__taps_padded(a);
}

bool anet__fused_fits(const anet__fused *c)
{
  const anet_attr *a = c->depthwise->attr;
  if (c->expand && !plain_pointwise(c->expand)) return false;
  return plain_pointwise(c->project) && a->dilation[0] == 1 && a->dilation[1] == 1 &&
         has_room(c, 1);
}

bool anet__fused_pays(const anet__fused *c)
{
  const int32_t workers = anet__pool_workers(c->project->pool);
  const int32_t lines = c->project->n * c->depthwise->out_shape.dim[0];
  if (width_out(c) < (c->expand ? (int32_t)ANET_LINES_WIDE : (int32_t)WIDE_ALONE)) return false;
  return workers == 1 || lines >= LEAST_LINES * workers;
}

/* ---- scratch ------------------------------------------------------------------------------------
 */

/* Of one worker, as offsets in floats. */
typedef struct layout {
  size_t ring, mid, floats;
} layout;

static layout layout_of(const cut *s)
{
  layout l = {0};
  l.ring = anet__take(&l.floats, s->ring_floats);
  l.mid = anet__take(&l.floats, s->mid_floats);
  return l;
}

size_t anet__fused_scratch(const anet__fused *c)
{
  const cut s = cut_of(c);
  return layout_of(&s).floats * (size_t)anet__pool_workers(c->project->pool) * sizeof(float);
}

/* ---- a strip ------------------------------------------------------------------------------------
 */

typedef struct job {
  const anet__fused *fused;
  cut cut;
  anet__filter expand, depthwise, project;
} job;

/* Lines [y0, y1) of one image's depthwise output; lines of the input before `done` are in the ring.
 */
typedef struct strip {
  const job *job;
  int32_t image, y0, y1, done;
  float *ring, *mid;
} strip;

/* The lines that it reads are [first_read, end_read): none where it lies in padding alone. */
static int32_t first_read(const strip *s)
{
  const anet__call *d = s->job->fused->depthwise;
  const int32_t first = s->y0 * d->attr->stride[0] - d->attr->pad[0];
  return ANET_MAX(ANET_MIN(first, d->in_shape[0].dim[0]), 0);
}

static int32_t end_read(const strip *s)
{
  const anet__call *d = s->job->fused->depthwise;
  const int32_t end = (s->y1 - 1) * d->attr->stride[0] - d->attr->pad[0] + d->attr->kernel[0];
  return ANET_MAX(ANET_MIN(end, d->in_shape[0].dim[0]), 0);
}

static anet__post post_from(const anet__post *whole, size_t channel, size_t add)
{
  anet__post post = *whole;
  if (post.scale) post.scale += channel;
  if (post.shift) post.shift += channel;
  if (post.add) post.add += add + channel;
  return post;
}

/* Pointers to the pixels of lines [from, to) of the input. */
static void input_rows(const strip *s, int32_t from, int32_t to, const float **row)
{
  const anet__call *e = s->job->fused->expand;
  const size_t cin = (size_t)e->in_shape[0].dim[2], width = (size_t)e->in_shape[0].dim[1];
  const size_t first = ((size_t)s->image * (size_t)e->in_shape[0].dim[0] + (size_t)from) * width;
  for (size_t r = 0; r < (size_t)(to - from) * width; r++) row[r] = e->in[0] + (first + r) * cin;
}

/* Lines [from, to) of panel p into its ring, whose slots wrap around. */
static void expand_lines(const strip *s, int32_t from, int32_t to, int32_t p,
                         const float *const *row)
{
  const job *j = s->job;
  const anet__call *e = j->fused->expand;
  const int32_t channel = p * j->cut.panel, width = width_in(j->fused);
  anet__conv_args args = {.taps = 1,
                          .cin = j->expand.cin,
                          .cout = ANET_MIN(j->cut.panel, j->expand.cout - channel),
                          .packed =
                              e->packed + anet__filter_offset(e->kernels, &j->expand, channel),
                          .out_ld = (size_t)j->cut.panel,
                          .post = post_from(&e->post, (size_t)channel, 0)};
  for (int32_t y = from, lines; y < to; y += lines) {
    const int32_t slot = y % j->cut.ring;
    lines = ANET_MIN(to - y, j->cut.ring - slot);
    args.tap = row + (size_t)(y - from) * (size_t)width;
    args.rows = lines * width;
    args.out = s->ring + (size_t)p * j->cut.panel_floats +
               (size_t)slot * (size_t)width * (size_t)j->cut.panel;
    e->kernels->conv(&args);
  }
}

/* Lines of the depthwise's input that the strip reads, the first of them in `line`. */
static int32_t lines_of(const strip *s)
{
  return (s->y1 - s->y0 - 1) * s->job->fused->depthwise->attr->stride[0] +
         s->job->fused->depthwise->attr->kernel[0];
}

/* The strip's depthwise output of `channels` channels from `channel` on. */
static void depthwise_lines(const strip *s, const float *const *line, size_t pixel, int32_t channel,
                            int32_t channels)
{
  const job *j = s->job;
  const anet__call *d = j->fused->depthwise;
  const anet_attr *a = d->attr;
  d->kernels->depthwise_lines(
      &(anet__depthwise_lines_args){.line = line,
                                    .kernel = {a->kernel[0], a->kernel[1]},
                                    .stride = {a->stride[0], a->stride[1]},
                                    .offset = -a->pad[1],
                                    .columns = width_in(j->fused),
                                    .lines = s->y1 - s->y0,
                                    .pixels = width_out(j->fused),
                                    .channels = channels,
                                    .pixel = pixel,
                                    .weight = j->depthwise.w + channel,
                                    .weight_ld = j->depthwise.ld_tap,
                                    .out = s->mid + channel,
                                    .out_ld = j->cut.mid_ld,
                                    .post = post_from(&d->post, (size_t)channel, 0)});
}

/* Whether line k of lines_of is inside the image, and which it is. */
static bool line_at(const strip *s, int32_t k, int32_t *y)
{
  const anet__call *d = s->job->fused->depthwise;
  *y = s->y0 * d->attr->stride[0] - d->attr->pad[0] + k;
  return *y >= 0 && *y < d->in_shape[0].dim[0];
}

static void expand_and_filter(const strip *s)
{
  const job *j = s->job;
  const int32_t from = ANET_MAX(first_read(s), s->done), to = end_read(s), lines = lines_of(s);
  const size_t pixel = (size_t)j->cut.panel, line_floats = (size_t)width_in(j->fused) * pixel;
  const float *row[ANET_TAP_ROOM], *line[MOST_LINES];
  input_rows(s, from, to, row);
  for (int32_t p = 0; p < j->cut.panels; p++) {
    const int32_t channel = p * j->cut.panel;
    const float *ring = s->ring + (size_t)p * j->cut.panel_floats;
    expand_lines(s, from, to, p, row);
    for (int32_t k = 0, y; k < lines; k++)
      line[k] = line_at(s, k, &y) ? ring + (size_t)(y % j->cut.ring) * line_floats : NULL;
    depthwise_lines(s, line, pixel, channel, ANET_MIN(j->cut.panel, hidden(j->fused) - channel));
  }
}

/* Without an expansion the depthwise reads the input itself. */
static void filter_alone(const strip *s)
{
  const anet__call *d = s->job->fused->depthwise;
  const size_t channels = (size_t)hidden(s->job->fused), height = (size_t)d->in_shape[0].dim[0];
  const size_t row = (size_t)width_in(s->job->fused) * channels;
  const float *line[MOST_LINES];
  for (int32_t k = 0, y; k < lines_of(s); k++)
    line[k] = line_at(s, k, &y) ? d->in[0] + ((size_t)s->image * height + (size_t)y) * row : NULL;
  depthwise_lines(s, line, channels, 0, (int32_t)channels);
}

static void project_lines(const strip *s)
{
  const job *j = s->job;
  const anet__call *c = j->fused->project;
  const anet__filter *f = &j->project;
  const int32_t rows = (s->y1 - s->y0) * width_out(j->fused);
  const size_t first = ((size_t)s->image * (size_t)c->out_shape.dim[0] + (size_t)s->y0) *
                       (size_t)width_out(j->fused);
  const float *row[ANET_TAP_ROOM];
  for (int32_t r = 0; r < rows; r++) row[r] = s->mid + (size_t)r * j->cut.mid_ld;
  for (int32_t o = 0; o < f->cout; o += UNIT)
    c->kernels->conv(
        &(anet__conv_args){.tap = row,
                           .rows = rows,
                           .taps = 1,
                           .cin = f->cin,
                           .cout = ANET_MIN(UNIT, f->cout - o),
                           .packed = c->packed + anet__filter_offset(c->kernels, f, o),
                           .out = c->out + first * (size_t)f->cout + (size_t)o,
                           .out_ld = (size_t)f->cout,
                           .post = post_from(&c->post, (size_t)o, first * c->post.add_ld)});
}

/* ---- all of them --------------------------------------------------------------------------------
 */

/* Part `part` of the lines of all images. */
static void run_part(void *context, int32_t part, int32_t worker)
{
  const job *j = context;
  const anet__call *c = j->fused->project;
  const layout l = layout_of(&j->cut);
  const int32_t height = c->out_shape.dim[0];
  int32_t begin, end;
  strip s = {.job = j, .ring = (float *)c->scratch + (size_t)worker * l.floats + l.ring};
  s.mid = s.ring - l.ring + l.mid;
  anet__slice(c->n * height, part, anet__pool_workers(c->pool), &begin, &end);
  for (int32_t line = begin; line < end; line += s.y1 - s.y0) {
    s.image = line / height;
    s.y0 = line % height;
    s.y1 = ANET_MIN(ANET_MIN(s.y0 + j->cut.lines, height), s.y0 + end - line);
    if (line == begin || s.y0 == 0) s.done = 0;
    if (j->fused->expand)
      expand_and_filter(&s);
    else
      filter_alone(&s);
    s.done = end_read(&s);
    project_lines(&s);
  }
}

void anet__fused_run(const anet__fused *fused)
{
  job j = {.fused = fused,
           .cut = cut_of(fused),
           .depthwise = anet__depthwise_filter(fused->depthwise),
           .project = anet__conv_filter(fused->project)};
  if (fused->expand) j.expand = anet__conv_filter(fused->expand);
  anet__pool_run(fused->project->pool, run_part, &j, anet__pool_workers(fused->project->pool));
}
